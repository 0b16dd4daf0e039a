// What is written reads back.
#include "runtime/server/api/json_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace llmc::rt::server {
namespace {

TEST(JsonText, EveryByteReadsBack) {
  std::string text;
  for (int i = 0; i < 128; ++i) text += static_cast<char>(i);
  text += "é😀";
  std::string out;
  appendQuoted(out, text);
  EXPECT_EQ(nlohmann::json::parse(out).get<std::string>(), text);
}

TEST(JsonText, Numbers) {
  std::string out;
  appendNumber(out, INT64_MIN);
  out += ' ';
  appendReal(out, -0.25f);
  out += ' ';
  appendReal(out, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(out, "-9223372036854775808 -0.25 -9999.0");
}

TEST(JsonText, Lists) {
  std::string out;
  const int32_t ids[] = {1, -2, 3};
  appendIds(out, ids);
  appendBytes(out, "a\xff");
  appendIds(out, {});
  EXPECT_EQ(out, "[1,-2,3][97,255][]");
}

}  // namespace
}  // namespace llmc::rt::server
