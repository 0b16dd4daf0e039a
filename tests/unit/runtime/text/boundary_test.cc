// Errors of the Rust library as statuses: kinds, and codes in front of messages.
#include "runtime/text/boundary.h"

#include <gtest/gtest.h>

namespace llmc::rt::text {
namespace {

TEST(Boundary, EachKindHasItsExitStatus) {
  const auto status = [](int32_t kind) { return exitStatus(failure(kind, {}).kind()); };
  EXPECT_EQ(status(LLMC_TEXT_BAD_FILE), 65);
  EXPECT_EQ(status(LLMC_TEXT_RAISED), 65);
  EXPECT_EQ(status(LLMC_TEXT_BAD_REQUEST), 64);
  EXPECT_EQ(status(LLMC_TEXT_LIMIT), 64);
  EXPECT_EQ(status(LLMC_TEXT_UNAVAILABLE), 69);
  EXPECT_EQ(status(12345), 70);
  EXPECT_NE(failure(LLMC_TEXT_UNAVAILABLE, {}).hint().find("ulimit -u"), std::string::npos);
}

TEST(Boundary, TheCodeStandsInFrontOfTheMessage) {
  LlmcTokenizer* tokenizer = nullptr;
  LlmcTextBytes error{};
  const int32_t kind = llmc_tokenizer_create(view("{"), view(""), &tokenizer, &error);
  ASSERT_EQ(kind, LLMC_TEXT_BAD_FILE);
  const Status status = failure(kind, error);
  EXPECT_EQ(status.kind(), ErrorKind::kBadInput);
  EXPECT_EQ(status.code().find("TK_"), 0u) << status.toString();
  EXPECT_EQ(status.code().find(' '), std::string::npos);
  EXPECT_FALSE(status.message().empty());
  EXPECT_EQ(take({}), "");
}

}  // namespace
}  // namespace llmc::rt::text
