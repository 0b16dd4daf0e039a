// A model that finds all tokens equally likely has its vocabulary as perplexity.
#include "tests/unit/runtime/main/run_fixture.h"

#include <cmath>

namespace llmc::rt::test {
namespace {

TEST_F(Run, PerplexityOfAUniformModelIsItsVocabulary) {
  const std::string text = file("text.txt", std::string(100, 'q'));
  ASSERT_EQ(run({"--perplexity", text, "--chunk", "30", "--json", "--threads", "1"}), 0) << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["tokens"], 100 - 4);  // chunks of 30, 30, 30, 10: the first token of each is not scored
  EXPECT_EQ(json["chunks"].size(), 4u);
  EXPECT_NEAR(json["nll"].get<double>(), std::log(32), 1e-5);
  EXPECT_NEAR(json["perplexity"].get<double>(), 32, 1e-3);
}

TEST_F(Run, PerplexityRefusals) {
  expectRefusals({{{"--perplexity", "/nowhere/text"}, 66, "CLI_FILE"},
                  {{"--perplexity", file("one.txt", "a")}, 65, "RT_PROMPT_EMPTY"},
                  {{"--perplexity", file("two.txt", "ab"), "--chunk", "500"}, 64, "RT_CONTEXT"}});
}

}  // namespace
}  // namespace llmc::rt::test
