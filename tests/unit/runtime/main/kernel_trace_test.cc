// --bench --trace: a file that Perfetto loads, a track a worker, events of a track one after another.
#include "runtime/main/kernel_trace.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

using Json = nlohmann::json;

Json eventsOf(const std::string& path) {
  std::ifstream file(path);
  return Json::parse(file)["traceEvents"];
}

TEST_F(Run, BenchTraceHasATrackAWorkerAndAnEventAKernel) {
  const std::string path = file("kernels.json", "");
  ASSERT_EQ(run({"--bench", "--prompt-tokens", "20", "--output-tokens", "6", "--repeat", "2", "--threads", "2",
                 "--trace", path}),
            0)
      << err_;
  std::map<int, std::string> tracks;
  std::map<int, double> last;  // end of a track's last event, microseconds
  std::map<int, int> kernels, barriers;
  std::map<std::string, int> steps;
  for (const Json& event : eventsOf(path)) {
    if (event["ph"] == "M") {
      if (event["name"] == "thread_name") tracks[event["tid"]] = event["args"]["name"];
      continue;
    }
    ASSERT_EQ(event["ph"], "X");
    const int track = event["tid"];
    ASSERT_TRUE(tracks.contains(track));
    EXPECT_GE(event["dur"].get<double>(), 0);
    // A thousandth of a microsecond is what the format's digits leave.
    EXPECT_GE(event["ts"].get<double>(), last[track] - 0.002) << event;
    last[track] = event["ts"].get<double>() + event["dur"].get<double>();
    if (track == 0) {
      ++steps[event["name"]];
      EXPECT_GT(event["args"]["tokens"].get<int>(), 0);
    } else {
      ++(event["name"] == "barrier" ? barriers : kernels)[track];
    }
  }
  EXPECT_EQ(tracks, (std::map<int, std::string>{{0, "steps"}, {1, "worker 0"}, {2, "worker 1"}}));
  EXPECT_EQ(steps, (std::map<std::string, int>{{"prefill", 1}, {"decode", 5}})) << "of the last repeat alone";
  EXPECT_GT(kernels[1], 6);
  EXPECT_EQ(kernels[1], kernels[2]);
  EXPECT_EQ(barriers[1], barriers[2]);
  EXPECT_GE(barriers[1], 6);
}

TEST_F(Run, BenchTraceReplacesNoOtherFile) {
  const std::string engine = file("e.bin", "LLMCENG\nrest");
  EXPECT_EQ(run({"--bench", "--prompt-tokens", "4", "--output-tokens", "2", "--trace", engine}), 64);
  EXPECT_NE(err_.find("no trace of llmc-run"), std::string::npos) << err_;
  EXPECT_EQ(std::filesystem::file_size(engine), 12u);
  EXPECT_EQ(run({"--bench", "--prompt-tokens", "4", "--output-tokens", "2", "--trace", "-"}), 64);
  EXPECT_NE(err_.find("CLI_FLAG"), std::string::npos) << err_;
}

TEST_F(Run, BenchTraceThatCannotBeWrittenIsAnError) {
  EXPECT_EQ(run({"--bench", "--prompt-tokens", "4", "--output-tokens", "2", "--trace", "/nowhere/t.json"}), 74);
  EXPECT_NE(err_.find("SV_TRACE"), std::string::npos) << err_;
}

}  // namespace
}  // namespace llmc::rt::test
