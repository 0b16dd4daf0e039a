// Bytes of values in JSON text, by path.
#include "compiler/import/JsonPlaces.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

const std::string kText =
    R"({ "a" : 12 , "b\"}": "x\\", "list": [1, [2, {"k": true}], "s"], "o": {"a": -3.5e7, "list": null}, "n":0})";

/// The text from where the value is on.
std::string at(const JsonPath& path, size_t length = 1) {
  int64_t offset = JsonPlaces(kText, "f").offsetOf(path);
  return offset < 0 ? "none" : kText.substr(static_cast<size_t>(offset), length);
}

TEST(JsonPlaces, FindsValuesOfEveryKind) {
  EXPECT_EQ(JsonPlaces(kText, "f").offsetOf({}), 0);
  EXPECT_EQ(at({"a"}, 3), "12 ");
  EXPECT_EQ(at({"b\"}"}, 5), R"("x\\")");
  EXPECT_EQ(at({"list"}, 2), "[1");
  EXPECT_EQ(at({"list", "0"}, 2), "1,");
  EXPECT_EQ(at({"list", "1"}, 3), "[2,");
  EXPECT_EQ(at({"list", "1", "1"}, 4), R"({"k")");
  EXPECT_EQ(at({"list", "1", "1", "k"}, 4), "true");
  EXPECT_EQ(at({"list", "2"}, 3), R"("s")");
  EXPECT_EQ(at({"o", "a"}, 6), "-3.5e7");
  EXPECT_EQ(at({"o", "list"}, 4), "null");
  EXPECT_EQ(at({"n"}, 2), "0}");
}

TEST(JsonPlaces, WhatIsNotThereHasNoPlace) {
  for (const JsonPath& path :
       {JsonPath{"x"}, {"o", "x"}, {"list", "3"}, {"list", "k"}, {"a", "b"}, {"k"}, {"list", "1", "k"}})
    EXPECT_EQ(at(path), "none");
}

TEST(JsonPlaces, ATextThatIsOneValue) {
  const std::string file = "f";
  for (const std::string& text :
       {std::string("7"), std::string(" 7"), std::string(" 7 "), std::string(" \"a\""), std::string(" []")})
    EXPECT_EQ(JsonPlaces(text, file).offsetOf({}), text[0] == ' ' ? 1 : 0) << text;
}

TEST(JsonPlaces, PlacesNameFileByteAndObject) {
  const std::string file = "config.json";
  EXPECT_EQ(importError("X", JsonPlaces(kText, file).atKey("list"), "why").message(),
            "config.json: byte 36: 'list': why");
  EXPECT_EQ(
      importError("X", JsonPlaces(kText, file).at({"o", "a"}, "o.a"), "why").message().find("config.json: byte 7"), 0u);
}

}  // namespace
}  // namespace llmc
