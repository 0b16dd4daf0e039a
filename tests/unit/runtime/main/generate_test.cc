// One generation to stdout: text, stop strings, seeds.
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, StreamsTextAndNothingElseToStdout) {
  EXPECT_EQ(run({"--prompt", "xyz", "--max-tokens", "5", "--threads", "2"}), 0) << err_;
  EXPECT_EQ(out_, "aaaaa\n");
}

TEST_F(Run, StopTextIsNotShown) {
  EXPECT_EQ(run({"--prompt", "x", "--max-tokens", "9", "--stop", "aaa", "--json", "--threads", "1"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["text"], "");
  EXPECT_EQ(nlohmann::json::parse(out_)["finish_reason"], "stop");
  EXPECT_EQ(
      run({"--prompt", "x", "--max-tokens", "9", "--stop", "aaa", "--min-tokens", "3", "--json", "--threads", "1"}), 0)
      << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["text"], "a") << "the fourth is the first that may end it";
}

TEST_F(Run, SeedsDecide) {
  std::vector<std::string> outputs;
  for (const char* seed : {"5", "5", "6"}) {
    EXPECT_EQ(run({"--prompt", "x", "--max-tokens", "30", "--temperature", "1", "--ignore-eos", "--seed", seed,
                   "--threads", "1"}),
              0);
    outputs.push_back(out_);
  }
  EXPECT_EQ(outputs[0], outputs[1]);
  EXPECT_NE(outputs[0], outputs[2]);
}

}  // namespace
}  // namespace llmc::rt::test
