// No part of a stop string is ever shown, whatever the pieces; everything else is.
#include "runtime/text/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace llmc::rt {
namespace {

std::string feed(StopMatcher& matcher, std::string_view text, size_t piece) {
  std::string shown;
  for (size_t i = 0; i < text.size() && !matcher.stopped(); i += piece) shown += matcher.push(text.substr(i, piece));
  return matcher.stopped() ? shown : shown + matcher.flush();
}

TEST(StopMatcher, CutsBeforeTheStopStringInAnyPieces) {
  for (size_t piece = 1; piece < 12; ++piece) {
    StopMatcher matcher({"END", "STOPPED"});
    EXPECT_EQ(feed(matcher, "one STOP two EN three END four", piece), "one STOP two EN three ");
    EXPECT_TRUE(matcher.stopped());
    EXPECT_EQ(matcher.push("more"), "");
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAStop) {
  StopMatcher matcher({"</s>"});
  EXPECT_EQ(matcher.push("a<"), "a");
  EXPECT_EQ(matcher.push("/"), "");
  EXPECT_EQ(matcher.push("b"), "</b");
  EXPECT_EQ(matcher.push("</s"), "");
  EXPECT_EQ(matcher.flush(), "</s");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, OverlappingPrefixes) {
  StopMatcher matcher({"aab"});
  EXPECT_EQ(feed(matcher, "aaaab!", 1), "aa");
}

TEST(StopMatcher, NamesTheStopAndMayShowIt) {
  StopMatcher matcher({"zz", "END"}, /*showStop=*/true);
  EXPECT_EQ(feed(matcher, "one END two", 2), "one END");
  ASSERT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.found(), "END");
}

TEST(StopMatcher, StopsMayBeginButNotEndWhereTheyDoNotCount) {
  StopMatcher matcher({"bcd", "b"});
  EXPECT_EQ(matcher.push("abcd", /*mayEnd=*/false), "abcd") << "complete ones are text";
  EXPECT_EQ(matcher.push("a", /*mayEnd=*/false), "a");
  StopMatcher across({"bcd"});
  EXPECT_EQ(across.push("xbcd b", /*mayEnd=*/false), "xbcd ");
  EXPECT_EQ(across.push("c"), "");
  EXPECT_EQ(across.push("de"), "");
  EXPECT_TRUE(across.stopped());
  StopMatcher overlapping({"aa"});
  EXPECT_EQ(overlapping.push("aa", /*mayEnd=*/false) + overlapping.push("a"), "a") << "the second and the third";
  EXPECT_TRUE(overlapping.stopped());
}

TEST(StopMatcher, WithoutStopsTextPassesAtOnce) {
  StopMatcher matcher({});
  EXPECT_EQ(matcher.push("x"), "x");
}

TEST(StopMatcher, AgreesWithFindOverRandomTexts) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    const auto text = [&](size_t most) {
      std::string s(1 + random() % most, 'a');
      for (char& c : s) c = static_cast<char>('a' + random() % 2);
      return s;
    };
    const std::string whole = text(40), stop = text(5);
    StopMatcher matcher({stop});
    EXPECT_EQ(feed(matcher, whole, 1), whole.substr(0, whole.find(stop))) << whole << " " << stop;
  }
}

TEST(StopMatcher, RefusesUnusableStops) {
  EXPECT_TRUE(checkStops({"a", "ü", "\xF0\x9F\x98\x80"}));
  EXPECT_TRUE(checkStops({}));
  for (const auto& stops : std::vector<std::vector<std::string>>{{""},
                                                                 {"\xff"},
                                                                 {"\xc3"},
                                                                 {"\xc0\x80"},
                                                                 {"\xed\xa0\x80"},
                                                                 {"\xf4\x90\x80\x80"},
                                                                 {std::string(257, 'x')},
                                                                 std::vector<std::string>(17, "x")}) {
    const Status status = checkStops(stops);
    EXPECT_EQ(status.code(), "CLI_STOP");
    EXPECT_EQ(exitStatus(status.kind()), 64);
  }
}

}  // namespace
}  // namespace llmc::rt
