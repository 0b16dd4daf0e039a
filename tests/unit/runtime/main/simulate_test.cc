// The planning tool: table, JSON, its own measurements given back to it, and bad traces.
#include <regex>

#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

constexpr const char* kTrace =
    "{\"time\": 0, \"prompt\": 20, \"output\": 4}\n{\"time\": 0.5, \"prompt\": 30, \"output\": 6}\n";
/// 10 ms a step, whatever is in it.
constexpr const char* kCost =
    R"({"tokens":[[1,0.01]],"rows":[],"per_attended":0,"per_attended_alone":0,"per_moved_page":0})";

TEST_F(Run, SimulatesATraceByAGivenCost) {
  const std::string trace = file("trace.jsonl", kTrace), cost = file("cost.json", kCost);
  ASSERT_EQ(run({"--simulate", trace, "--step-cost", cost, "--json", "--max-num-seqs", "4"}), 0) << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["completed"], 2);
  EXPECT_NEAR(json["mean_ttft_ms"].get<double>(), 10, 1e-6);
  EXPECT_NEAR(json["mean_tpot_ms"].get<double>(), 10, 1e-6);
  EXPECT_EQ(json["total_output_tokens"], 10);
  ASSERT_EQ(run({"--simulate", trace, "--step-cost", cost}), 0) << err_;
  EXPECT_NE(out_.find("Mean TTFT (ms):                          10.00"), std::string::npos) << out_;
}

TEST_F(Run, MeasuresTheCostAndReadsItAgain) {
  const std::string trace = file("trace.jsonl", kTrace);
  ASSERT_EQ(run({"--simulate", trace, "--json", "--threads", "2", "--max-num-seqs", "4"}), 0) << err_;
  const auto first = nlohmann::json::parse(out_);
  EXPECT_GT(first["mean_ttft_ms"].get<double>(), 0);
  EXPECT_TRUE(std::regex_match(
      err_, std::regex("measuring [0-9]+ kinds of steps with 2 workers, at least 3 times each, about [0-9]+ s\n"
                       "(measuring steps, round [0-9]+\n)*"
                       "measuring what serving adds, with 1 to 4 streams at once, about [0-9]+ s\n"
                       "playing the first 2 requests, 1 to [89] s\n"
                       "simulating 2 requests\n")))
      << err_;
  ASSERT_EQ(run({"--simulate", trace, "--json", "--max-num-seqs", "4", "--step-cost",
                 file("cost.json", first["step_cost"].dump())}),
            0)
      << err_;
  EXPECT_EQ(nlohmann::json::parse(out_), first);
  ASSERT_EQ(run({"--simulate", trace, "--json", "--max-num-seqs", "4", "--step-cost", file("all.json", first.dump())}),
            0)
      << "the whole output: " << err_;
  EXPECT_EQ(nlohmann::json::parse(out_), first);
}

TEST_F(Run, SaysHowToMakeAFileOfCosts) {
  const std::string trace = file("trace.jsonl", kTrace), other = file("other.json", R"({"prompt": "a", "text": "b"})");
  ASSERT_EQ(run({"--simulate", trace, "--step-cost", other}), 65);
  for (const char* part : {"--step-cost ", "other.json: these are no costs of steps", "found \"prompt\", \"text\"",
                           "llmc-run ENGINE --simulate TRACE --json > FILE"})
    EXPECT_NE(err_.find(part), std::string::npos) << part << " is not in " << err_;
}

TEST_F(Run, SaysWhyRequestsOfATraceAreRefused) {
  const std::string trace =
      file("trace.jsonl", std::string(kTrace) + "{\"time\": 0.75, \"prompt\": 9999, \"output\": 6}\n");
  ASSERT_EQ(run({"--simulate", trace, "--step-cost", file("cost.json", kCost), "--json"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["failed"], 1);
  EXPECT_NE(err_.find("1 of 3 requests were refused; the first, at second 0.75: prompt and answer have 10005 tokens"),
            std::string::npos)
      << err_;
}

TEST_F(Run, RefusesWhatCannotBeSimulated) {
  const std::string trace = file("trace.jsonl", kTrace);
  expectRefusals({{{"--simulate", file("empty.jsonl", "\n")}, 65, "RT_TRACE"},
                  {{"--simulate", file("bad.jsonl", "{\"time\": 0, \"prompt\": 0, \"output\": 4}")}, 65, "RT_TRACE"},
                  {{"--simulate", "/nowhere/trace"}, 66, "CLI_FILE"},
                  {{"--simulate", trace, "--step-cost", file("bad.json", "{}")}, 65, "RT_STEP_COST"},
                  {{"--simulate", trace, "--policy", "best"}, 64, "CLI_FLAG"}});
}

}  // namespace
}  // namespace llmc::rt::test
