// Limits of a body (rows RQ1, RQ2) and typed fields.
#include "runtime/server/api/json_body.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

TEST(JsonBody, WhatIsNoObjectWithinLimitsIsInvalidJson) {
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += '[';
  std::string keys = "{";
  for (int i = 0; i < 100'000; ++i) keys += "\"k" + std::to_string(i) + "\":0,";
  std::string values = "{\"a\":[0";
  for (int i = 0; i < (2 << 20); ++i) values += ",0";
  for (const std::string& text :
       {std::string("not json"), std::string(), std::string("[]"), std::string("{} {}"), std::string("{}x"),
        std::string("{}\0", 3), std::string("{}\0{\"a\":1}", 10), std::string("\0{}", 3),
        std::string("{\"a\":\"\xff\"}"), std::string("{\"a\":\"\xc3\"}"), std::string("{\"a\":1,\"a\":2}"),
        std::string("{\"a\":1e999}"), std::string("{\"a\":NaN}"), std::string("{\"a\":\"\\ud800\"}"), deep,
        keys + "\"z\":0}", values + "]}"}) {
    Json json;
    const ApiFault fault = parseBody(text, json);
    ASSERT_TRUE(fault) << text.substr(0, 40);
    EXPECT_EQ(fault->status, 400);
    EXPECT_EQ(fault->code, "invalid_json");
  }
}

TEST(JsonBody, WhatIsNoTextSaysWhereAndWhatToDo) {
  const auto said = [](const std::string& text) {
    Json json;
    const ApiFault fault = parseBody(text, json);
    return fault ? fault->message : std::string();
  };
  EXPECT_EQ(said("{\"prompt\":\"a\xff\"}"),
            "the body cannot be read: it is not UTF-8 at byte 13; encode it as UTF-8, or write other characters as \\u "
            "escapes");
  for (const char* half : {R"({"prompt":"\ud800"})", R"({"prompt":"\ud800x"})", R"({"prompt":"\udc00"})"}) {
    EXPECT_NE(said(half).find("a \\u escape is half of a surrogate pair at byte 1"), std::string::npos) << said(half);
    EXPECT_NE(said(half).find("write both halves"), std::string::npos);
  }
  EXPECT_EQ(said(R"({"prompt":"invalid string: ill-formed UTF-8)"), "the body cannot be read: not JSON at byte 44");
  EXPECT_EQ(said(std::string("{}\0{}", 5)), "the body cannot be read: not JSON at byte 3");
}

TEST(JsonBody, AnObjectOfTooManyKeysNamesItsField) {
  std::string text = R"({"prompt":"a","logit_bias":{"k":0)";
  for (int i = 0; i < 1024; ++i) text += ",\"" + std::to_string(i) + "\":0";
  Json json;
  const ApiFault fault = parseBody(text + "}}", json);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->code, "invalid_value");
  EXPECT_EQ(fault->param, "logit_bias");
  EXPECT_EQ(fault->message, "'logit_bias': an object has more than 1024 keys");
}

TEST(JsonBody, KeepsOrderAndNesting) {
  Json json;
  ASSERT_FALSE(parseBody(R"({"z":[1,{"b":[],"a":{}}],"a":{"x":null,"y":"é"}})", json));
  EXPECT_EQ(json.dump(), R"({"z":[1,{"b":[],"a":{}}],"a":{"x":null,"y":"é"}})");
}

TEST(JsonBody, TheFirstErrorStays) {
  Json json;
  ASSERT_FALSE(parseBody(R"({"a":"x","b":-1,"c":3.0,"d":null})", json));
  FieldReader fields(json, "outer.");
  int32_t c = 0, d = 5;
  fields.integer("c", 0, 5, c);
  fields.integer("d", 0, 5, d);
  EXPECT_EQ(c, 3);
  EXPECT_EQ(d, 5);
  bool a = false;
  fields.boolean("a", a);
  fields.integer("b", 0, 5, c);
  ASSERT_TRUE(fields.fault());
  EXPECT_EQ(fields.fault()->param, "outer.a");
  EXPECT_EQ(fields.fault()->message, "'outer.a' must be true or false, got \"x\"");
}

TEST(JsonBody, IntegersAreExact) {
  EXPECT_EQ(asInteger(Json(3.0)), 3);
  EXPECT_EQ(asInteger(Json(-7)), -7);
  EXPECT_FALSE(asInteger(Json(3.5)));
  EXPECT_FALSE(asInteger(Json(1e300)));
  EXPECT_FALSE(asInteger(Json(UINT64_MAX)));
  EXPECT_FALSE(asInteger(Json("3")));
}

}  // namespace
}  // namespace llmc::rt::server
