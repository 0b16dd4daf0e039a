// The SELFTEST section of an engine whose logits are all zero.
#include "compiler/quality/GoldenTokens.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc {
namespace {

using Json = nlohmann::json;

Json golden(const std::string& path, const GoldenRequest& request) {
  auto text = goldenTokens(path, request);
  EXPECT_TRUE(text) << text.status().toString();
  return text ? Json::parse(*text) : Json();
}

TEST(GoldenTokens, HoldLevelPromptTokensAndMargins) {
  rt::test::TemporaryFile file(rt::test::letterEngine());
  Json json = golden(file.path(), {"x86-64-v3", 5, 1, {}});
  EXPECT_EQ(json["level"], "x86-64-v3");
  EXPECT_EQ(json["prompt_ids"], (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(json["token_ids"], (std::vector<int>{0, 0, 0, 0, 0}));
  EXPECT_EQ(json["margin"], (std::vector<double>{0, 0, 0, 0, 0}));
}

TEST(GoldenTokens, DoNotDependOnThreadsAndEndWithThePositions) {
  rt::test::TemporaryFile file(rt::test::letterEngine());
  std::string tokenizer = rt::test::letterTokenizer();
  Json one = golden(file.path(), {"x86-64-v3", 1000, 1, tokenizer});
  EXPECT_EQ(one, golden(file.path(), {"x86-64-v3", 1000, 3, tokenizer}));
  EXPECT_EQ(one["prompt_ids"].size() + one["token_ids"].size(), 128u);
}

TEST(GoldenTokens, TellWhenTheEngineCannotRun) {
  rt::test::TemporaryFile file("no engine");
  EXPECT_FALSE(goldenTokens(file.path(), {"x86-64-v3", 5, 1, {}}));
}

}  // namespace
}  // namespace llmc
