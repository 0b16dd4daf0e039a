// JSON that is refused although other readers take it, with the byte.
#include "compiler/import/StrictJson.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

/// "TK_DUP 5": the code, and the byte that the message names.
std::string refusalOfJson(const std::string& text) {
  auto json = parseStrictJson(text, "f", "TK");
  if (json) return "ok";
  const std::string& message = json.status().message();
  EXPECT_EQ(message.find("f: byte "), 0u) << message;
  return json.status().code() + " " + std::to_string(std::stol(message.substr(8)));
}

TEST(StrictJson, TakesValuesOfEveryKind) {
  auto json = parseStrictJson(R"({"a": [1, -2.5e3, "x\n", true, null, {}]})", "f", "CF");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["a"][1], -2500.0);
  EXPECT_EQ((*json)["a"].size(), 6u);
}

TEST(StrictJson, RefusesAtTheByte) {
  EXPECT_EQ(refusalOfJson(R"({"a":1,"a":2})"), "TK_DUP 7");
  EXPECT_EQ(refusalOfJson(R"({"a":1} x)"), "TK_JSON 8");
  EXPECT_EQ(refusalOfJson(R"({"a":1e999})"), "TK_TYPE 5");
  EXPECT_EQ(refusalOfJson(std::string(64, '[') + std::string(64, ']')), "ok");
  EXPECT_EQ(refusalOfJson(std::string(65, '[') + std::string(65, ']')), "TK_DEPTH 64");
  EXPECT_EQ(refusalOfJson(""), "TK_JSON 0");
}

}  // namespace
}  // namespace llmc
