// Tokens to text: stops across tokens, characters across tokens, ends of every kind.
#include "runtime/server/api/answer_choice.h"

#include <gtest/gtest.h>

#include "../served.h"

namespace llmc::rt::server {
namespace {

AnswerChoice choice(GenerateRequest request) {
  static const ModelText text = test::mockModelText();
  return AnswerChoice(text.tokenizer, request, std::make_shared<const std::vector<int32_t>>(request.stopTokenIds));
}

TEST(AnswerChoice, StopStringsAcrossTokensNeverLeak) {
  GenerateRequest request;
  request.stops = {"zz", "cde"};
  AnswerChoice made = choice(request);
  std::string shown;
  for (const char c : std::string("abcd")) shown += made.push(c, FinishReason::kNone);
  EXPECT_EQ(shown, "ab");
  EXPECT_EQ(made.push('e', FinishReason::kNone), "");
  EXPECT_EQ(made.finish(), FinishReason::kStop);
  EXPECT_EQ(made.stopReason(), "\"cde\"");
  EXPECT_EQ(made.tokens(), 5u);
}

TEST(AnswerChoice, WithheldTextComesWhenNoStopCame) {
  GenerateRequest request;
  request.stops = {"cde"};
  AnswerChoice made = choice(request);
  EXPECT_EQ(made.push('c', FinishReason::kNone), "");
  EXPECT_EQ(made.push('d', FinishReason::kLength), "cd");
  EXPECT_EQ(made.finish(), FinishReason::kLength);
  EXPECT_EQ(made.stopReason(), "null");
}

TEST(AnswerChoice, StopStringsMayBeShown) {
  GenerateRequest request;
  request.stops = {"bc"};
  request.includeStop = true;
  AnswerChoice made = choice(request);
  EXPECT_EQ(
      made.push('a', FinishReason::kNone) + made.push('b', FinishReason::kNone) + made.push('c', FinishReason::kNone),
      "abc");
  EXPECT_EQ(made.finish(), FinishReason::kStop);
}

// As in vLLM: behind three tokens the fourth may end it, also what began in those three.
TEST(AnswerChoice, StopsWaitForMinTokens) {
  GenerateRequest request;
  request.stops = {"bx", "aby"};
  request.sampling.minTokens = 3;
  AnswerChoice made = choice(request);
  std::string shown;
  for (const char c : std::string("bxb")) shown += made.push(c, FinishReason::kNone);
  EXPECT_EQ(shown, "bx") << "the third token may begin a stop string, none may end one";
  EXPECT_EQ(made.push('x', FinishReason::kNone), "");
  EXPECT_EQ(made.finish(), FinishReason::kStop);
  EXPECT_EQ(made.stopReason(), "\"bx\"");
  AnswerChoice at = choice(request);
  for (const char c : std::string("aby")) (void)at.push(c, FinishReason::kNone);
  EXPECT_EQ(at.finish(), FinishReason::kNone) << "the third token does not end it";
}

TEST(AnswerChoice, StopTokensAreNamedAndHidden) {
  GenerateRequest request;
  request.stopTokenIds = {'x'};
  AnswerChoice made = choice(request);
  EXPECT_EQ(made.push('a', FinishReason::kNone), "a");
  EXPECT_EQ(made.push('x', FinishReason::kStop), "");
  EXPECT_EQ(made.stopReason(), "120");
  request.includeStop = true;
  AnswerChoice shown = choice(request);
  EXPECT_EQ(shown.push('x', FinishReason::kStop), "x");
  AnswerChoice eos = choice({});
  EXPECT_EQ(eos.push(262, FinishReason::kStop), "");
  EXPECT_EQ(eos.stopReason(), "null");
}

TEST(AnswerChoice, RepetitionsEndIt) {
  GenerateRequest request;
  request.repetition = {4, 1, 3};
  request.stops = {"cX"};
  AnswerChoice made = choice(request);
  std::string shown;
  for (const char c : std::string("xabcabcabc")) {
    EXPECT_EQ(made.finish(), FinishReason::kNone);
    shown += made.push(c, FinishReason::kNone);
  }
  EXPECT_EQ(shown, "xabcabcabc") << "what was withheld for the stop string comes with the end";
  EXPECT_EQ(made.finish(), FinishReason::kRepetition);
  EXPECT_EQ(made.stopReason(), "\"repetition_detected\"");
  EXPECT_EQ(finishText(made.finish()), "repetition");
  request.sampling.minTokens = 9;
  AnswerChoice later = choice(request);
  for (int i = 0; i < 8; ++i) (void)later.push('z', FinishReason::kNone);
  EXPECT_EQ(later.finish(), FinishReason::kNone) << "min_tokens comes first";
  (void)later.push('z', FinishReason::kNone);
  EXPECT_EQ(later.finish(), FinishReason::kRepetition);
}

TEST(AnswerChoice, CharactersAreWhole) {
  AnswerChoice made = choice({});
  EXPECT_EQ(made.push(0xc3, FinishReason::kNone), "");
  EXPECT_EQ(made.push(0xa9, FinishReason::kNone), "é");
  EXPECT_EQ(made.push(0xf0, FinishReason::kNone), "");
  EXPECT_EQ(made.end(FinishReason::kAbort), "\xEF\xBF\xBD");
  EXPECT_EQ(finishText(made.finish()), "abort");
}

}  // namespace
}  // namespace llmc::rt::server
