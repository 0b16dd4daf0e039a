// The object of --json, field by field.
#include "tests/unit/runtime/main/run_fixture.h"

#include <cmath>

#include "runtime/main/json_output.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, PrintsTheJsonOfTheInterface) {
  ASSERT_EQ(run({"--prompt-ids", "3,4,5", "--max-tokens", "4", "--json", "--logprobs", "2", "--threads", "1"}), 0)
      << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["text"], "aaaa");
  EXPECT_EQ(json["token_ids"], (std::vector<int>{0, 0, 0, 0}));
  EXPECT_EQ(json["prompt_token_ids"], (std::vector<int>{3, 4, 5}));
  EXPECT_EQ(json["finish_reason"], "length");
  ASSERT_EQ(json["logprobs"].size(), 4u);
  EXPECT_NEAR(json["logprobs"][0]["logprob"].get<double>(), -std::log(32), 1e-5);
  EXPECT_EQ(json["logprobs"][3]["top"].size(), 2u);
  EXPECT_EQ(json["usage"]["total_tokens"], 7);
  for (const char* name : {"load_ms", "ttft_ms", "prefill_tokens_per_s", "decode_tokens_per_s"})
    EXPECT_GT(json["timings"][name].get<double>(), 0) << name;
}

TEST(JsonOutput, RatesNeverDivideByZero) {
  EXPECT_EQ(rate(10, 0), 0);
  EXPECT_EQ(rate(10, 2), 5);
}

}  // namespace
}  // namespace llmc::rt::test
