// Patterns of every length against a plain count, and what is no pattern.
#include "runtime/server/api/repetition_watch.h"

#include <gtest/gtest.h>

#include <random>

namespace llmc::rt::server {
namespace {

/// The token with which `text` is noticed, counted from 1; 0: never.
size_t noticed(const RepetitionRule& rule, const std::string& text) {
  RepetitionWatch watch(rule);
  for (size_t i = 0; i < text.size(); ++i)
    if (watch.push(text[i])) return i + 1;
  return 0;
}

TEST(RepetitionWatch, EndsWithTheLastTokenOfThePattern) {
  EXPECT_EQ(noticed({3, 1, 3}, "abcabcabcabc"), 9u);
  EXPECT_EQ(noticed({3, 1, 3}, "xyzzz"), 5u);
  EXPECT_EQ(noticed({3, 1, 2}, "abcdab"), 0u);
  EXPECT_EQ(noticed({4, 1, 2}, "xabcdabcd"), 9u);
}

TEST(RepetitionWatch, ShorterAndLongerPatternsAreNotMeant) {
  EXPECT_EQ(noticed({3, 2, 3}, "aaaaaa"), 6u) << "as a pattern of two";
  EXPECT_EQ(noticed({3, 2, 3}, "aaaaa"), 0u);
  EXPECT_EQ(noticed({2, 1, 2}, "abcabcabc"), 0u);
  EXPECT_EQ(noticed({}, "aaaaaaaaaaaaaaaa"), 0u) << "off";
}

/// By the definition, on the whole text.
bool repeated(const RepetitionRule& rule, const std::string& text) {
  for (size_t length = rule.shortest; length <= rule.longest; ++length) {
    if (length * rule.count > text.size()) continue;
    const std::string pattern = text.substr(text.size() - length);
    bool all = true;
    for (uint32_t i = 1; i <= rule.count; ++i) all = all && text.substr(text.size() - i * length, length) == pattern;
    if (all) return true;
  }
  return false;
}

TEST(RepetitionWatch, AgreesWithTheDefinitionOnRandomTexts) {
  std::mt19937 random(1);
  size_t ended = 0;
  for (int round = 0; round < 500; ++round) {
    const RepetitionRule rule{static_cast<uint32_t>(2 + random() % 5), static_cast<uint32_t>(1 + random() % 2),
                              static_cast<uint32_t>(2 + random() % 3)};
    RepetitionWatch watch(rule);
    std::string text;
    for (bool over = false; !over && text.size() < 200;) {
      text += static_cast<char>('a' + random() % 2);
      over = watch.push(text.back());
      ASSERT_EQ(over, repeated(rule, text)) << text;
      ended += over;
    }
  }
  EXPECT_GT(ended, 250u);
}

}  // namespace
}  // namespace llmc::rt::server
