// The file is JSON that a viewer loads, at every moment; requests begin and end once.
#include "runtime/serving/step_trace.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/unit/runtime/serving/loop_runner.h"

namespace llmc::rt::serving {
namespace {

using Json = nlohmann::json;

class Traced : public testing::Test {
 protected:
  Traced() : path_(testing::TempDir() + "trace-" + std::to_string(getpid()) + ".json") {}
  ~Traced() override { std::filesystem::remove(path_); }
  /// All events; the test fails when the file is no JSON.
  Json events() const {
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    const Json json = Json::parse(text.str(), nullptr, false);
    EXPECT_TRUE(json.is_object()) << text.str().substr(0, 500);
    return json.is_object() ? json["traceEvents"] : Json::array();
  }
  const std::string path_;
};

TEST_F(Traced, ALoopWritesStepsRequestsAndReasons) {
  const rt::test::FakeEngine engine(rt::test::FakeEngine::Kind::kContexts);
  std::vector<server::GenerationRequest> requests;
  for (uint64_t id = 1; id <= 8; ++id) {
    requests.push_back(test::requestOf(id, std::vector<int32_t>(20, static_cast<int32_t>(id)), 60));
    requests.back().requestId = "cmpl-\"\\\n\xff" + std::to_string(id);
    requests.back().choices = id == 3 ? 2 : 1;
    if (id == 3) requests.back().traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    if (id == 4) requests.back().traceparent = "\"\xff" + std::string(9000, 'x');
  }
  test::LoopSetup setup;
  setup.pages = 20;
  setup.trace = path_;
  const auto result = test::runLoop(engine, setup, requests);
  ASSERT_TRUE(result.status);
  EXPECT_GT(result.stats.preemptions, 0u);
  std::map<std::string, int> named, phases;
  std::map<std::string, std::pair<int, int>> spans;
  std::multiset<std::string> callers;
  double last = 0;
  for (const Json& event : events()) {
    ++named[event["name"].get<std::string>()];
    const std::string phase = event["ph"];
    ++phases[phase];
    if (phase == "b") ++spans[event["id"]].first;
    if (phase == "b" && event["args"].contains("traceparent")) callers.insert(event["args"]["traceparent"]);
    if (phase == "e") ++spans[event["id"]].second;
    if (phase == "X") {
      EXPECT_GE(event["dur"].get<double>(), 0);
      if (event["name"] == "step") {
        EXPECT_GE(event["ts"].get<double>(), last);
        last = event["ts"].get<double>() + event["dur"].get<double>();
        EXPECT_GT(event["args"]["tokens"].get<int>(), 0);
      }
    }
  }
  EXPECT_EQ(callers.size(), 3u) << "two choices of one request, and another request";
  EXPECT_EQ(callers.count("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), 2u);
  for (const std::string& caller : callers) EXPECT_LT(caller.size(), 80u);
  EXPECT_EQ(spans.size(), 9u);
  for (const auto& [id, counts] : spans) EXPECT_EQ(counts, std::pair(1, 1)) << id;
  EXPECT_GT(named["step"], 60);
  EXPECT_EQ(named["run"], named["step"]);
  EXPECT_GT(named["preempted"], 0);
  EXPECT_GT(named["admitted"], 8);
  EXPECT_EQ(named["forked"], 2) << "as a decision and in its request";
}

TEST_F(Traced, IsWholeAfterEachWrite) {
  auto trace = StepTrace::create(path_).take();
  const auto head = events().size();
  DecisionTrace decisions(8);
  for (uint32_t i = 0; i < 5; ++i) {
    trace->request(i, "id", "", 3, 1, 1.5);
    decisions.add({2.5, 7, i, 0, Decision::kPreemptRecompute, Cause::kNoPages, 40, 3});
    trace->decisions(decisions);
    ASSERT_TRUE(trace->flush());
    EXPECT_EQ(events().size(), head + 3 * (i + 1)) << "not closed yet";
  }
  const Json last = events().back();
  EXPECT_EQ(last["name"], "preempted");
  EXPECT_EQ(last["args"]["reason"], "preempted: 40 tokens to compute again, 3 pages back (no pages left)");
  EXPECT_EQ(last["ts"], 2.5e6);
}

}  // namespace
}  // namespace llmc::rt::serving
