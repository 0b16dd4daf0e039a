// Prompts that cannot be run, and where prompts come from.
#include "tests/unit/runtime/main/run_fixture.h"

#include "runtime/main/prompt.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, PromptRefusals) {
  expectRefusals({{{"--prompt", ""}, 65, "RT_PROMPT_EMPTY"},
                  {{"--prompt", std::string(500, 'a')}, 65, "RT_CONTEXT"},
                  {{"--prompt", "aaaaaaaaaaaaaaaaaaaa", "--kv-memory", "8K"}, 65, "RT_CONTEXT"},
                  {{"--prompt", "\xff\xfe"}, 64, "TK_UTF8"},
                  {{"--prompt-ids", "1,32"}, 65, "RT_TOKEN_ID"},
                  {{"--prompt-file", "/nowhere/prompt"}, 66, "CLI_FILE"},
                  {{"--prompt-file", "/"}, 74, "CLI_FILE"},
                  {{"--message", "hello"}, 65, "EN_TEMPLATE"}});
}

TEST_F(Run, AFileThatIsNoUtf8IsNamed) {
  const std::string bad = file("latin-1.txt", "caf\xe9");
  for (const char* flag : {"--prompt-file", "--perplexity"}) {
    EXPECT_EQ(run({flag, bad}), 64);
    EXPECT_NE(err_.find("error[TK_UTF8] " + bad + ": text is not UTF-8: "), std::string::npos) << err_;
    EXPECT_NE(err_.find("; iconv "), std::string::npos) << err_;
  }
}

TEST(Prompt, OnlyErrorsNameTheFile) {
  EXPECT_EQ(*idsOfFile(std::vector<int32_t>{1, 2}, "a"), (std::vector<int32_t>{1, 2}));
  const auto other = idsOfFile(Status::error(ErrorKind::kUsage, "TK_LIMIT", "too many", "fewer"), "-");
  EXPECT_EQ(other.status().toString(), "error[TK_LIMIT] stdin: too many; fewer");
}

TEST_F(Run, PromptsComeFromFiles) {
  ASSERT_EQ(run({"--prompt-file", file("prompt", "xyz"), "--max-tokens", "1", "--json", "--threads", "1"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["prompt_token_ids"], (std::vector<int>{23, 24, 25}));
}

TEST(Prompt, ChecksLeaveRoomForAnAnswer) {
  EXPECT_TRUE(checkPrompt({1, 2}, 32, 3));
  EXPECT_EQ(checkPrompt({1, 2, 3}, 32, 3).code(), "RT_CONTEXT");
  EXPECT_EQ(checkPrompt({}, 32, 3).code(), "RT_PROMPT_EMPTY");
}

TEST(Prompt, AnIdOutsideTheVocabularyIsNamedWithItsPlaceAndTheRange) {
  EXPECT_EQ(checkPrompt({-1}, 32, 3).message(), "token id -1, number 1 of 1 in the prompt, is outside the vocabulary");
  const Status large = checkPrompt({1, 31, 32}, 32, 9);
  EXPECT_EQ(large.code(), "RT_TOKEN_ID");
  EXPECT_EQ(large.message(), "token id 32, number 3 of 3 in the prompt, is outside the vocabulary");
  EXPECT_EQ(large.hint(), "ids of this model are 0 to 31");
}

}  // namespace
}  // namespace llmc::rt::test
