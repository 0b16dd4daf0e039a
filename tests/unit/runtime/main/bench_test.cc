// The benchmark reports facts and repeats.
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, BenchPrintsFactsAndRepeats) {
  ASSERT_EQ(run({"--bench", "--prompt-tokens", "20", "--output-tokens", "6", "--streams", "3", "--repeat", "2",
                 "--json", "--threads", "2", "--max-batched-tokens", "16"}),
            0)
      << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["repeats"].size(), 2u);
  EXPECT_EQ(json["threads"], 2);
  EXPECT_GT(json["read_bandwidth_gb_per_s"].get<double>(), 0.1);
  EXPECT_GT(json["repeats"][0]["decode_tokens_per_s"].get<double>(), 0);
  EXPECT_EQ(run({"--bench", "--prompt-tokens", "200"}), 64);
  EXPECT_EQ(run({"--bench", "--prompt-tokens", "4", "--output-tokens", "2", "--repeat", "1", "--threads", "1"}), 0)
      << err_;
  EXPECT_NE(out_.find("decode tok/s"), std::string::npos);
}

}  // namespace
}  // namespace llmc::rt::test
