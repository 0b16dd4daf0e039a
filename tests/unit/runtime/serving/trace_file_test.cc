// The file is whole after each write and bounded; names are quoted.
#include "runtime/serving/trace_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace llmc::rt::serving {
namespace {

using Json = nlohmann::json;

class Written : public testing::Test {
 protected:
  Written() : path_(testing::TempDir() + "trace-file-" + std::to_string(getpid()) + ".json") {}
  ~Written() override { std::filesystem::remove(path_); }
  /// All events; an exception when the file is no JSON.
  Json events() const {
    std::ifstream file(path_);
    return Json::parse(file)["traceEvents"];
  }
  const std::string path_;
};

TEST_F(Written, NamesItsTracksAndIsWholeAfterEachFlush) {
  auto trace = TraceFile::create(path_, {{1, "one"}, {7, "a \"b\" \xff"}}, TraceFile::kMostBytes).take();
  EXPECT_EQ(events().size(), 3u);
  EXPECT_EQ(events()[2]["tid"], 7);
  EXPECT_TRUE(events()[2]["args"]["name"].get<std::string>().starts_with("a \"b\" "));
  trace->addSpan(7, "x\ny", 1.5, 1.75, R"("k":3)");
  ASSERT_TRUE(trace->flush());
  const Json span = events().back();
  EXPECT_EQ(span["name"], "x\ny");
  EXPECT_EQ(span["ph"], "X");
  EXPECT_EQ(span["ts"], 1.5e6);
  EXPECT_EQ(span["dur"], 0.25e6);
  EXPECT_EQ(span["args"]["k"], 3);
  trace->add(R"({"name":"n","ph":"i","pid":1,"tid":1,"ts":2})");
  ASSERT_TRUE(trace->flush());
  EXPECT_EQ(events().size(), 5u);
  trace->addSpan(1, "counters of two cores", 1.5, 1.4999999);
  ASSERT_TRUE(trace->flush());
  EXPECT_EQ(events().back()["dur"], 0);
}

TEST_F(Written, IsBounded) {
  auto trace = TraceFile::create(path_, {{1, "one"}}, 20'000).take();
  for (int i = 0; i < 1000; ++i) trace->addSpan(1, "event", i, i + 1);
  EXPECT_TRUE(trace->over());
  trace.reset();
  EXPECT_LT(std::filesystem::file_size(path_), 21'000u);
  EXPECT_NE(events().back()["name"].get<std::string>().find("full"), std::string::npos);
}

TEST_F(Written, ReplacesATraceAndNothingElse) {
  for (int round : {0, 1}) {
    auto trace = TraceFile::create(path_, {{1, "one"}}, 1 << 20);
    ASSERT_TRUE(trace) << round << trace.status().toString();
    if (round == 0) (*trace)->addSpan(1, "event", 1, 2);
  }
  EXPECT_EQ(events().size(), 2u) << "the old events are gone";
  for (const char* text : {"LLMCENG\nand the rest of a model", "{}", R"({"displayTimeUnit":"ms","traceEvents":)"}) {
    std::ofstream(path_, std::ios::trunc) << text;
    const auto size = std::filesystem::file_size(path_);
    const Status status = TraceFile::create(path_, {}, 1 << 20).status();
    EXPECT_EQ(status.code(), "SV_TRACE");
    EXPECT_EQ(exitStatus(status.kind()), 64) << status.toString();
    EXPECT_EQ(std::filesystem::file_size(path_), size);
  }
  std::ofstream(path_, std::ios::trunc).flush();  // a file that mktemp made
  EXPECT_TRUE(TraceFile::create(path_, {}, 1 << 20));
}

TEST_F(Written, BadPathsAndFullDisksAreErrors) {
  EXPECT_EQ(TraceFile::create("/nowhere/trace.json", {}, 1 << 20).status().code(), "SV_TRACE");
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  EXPECT_EQ(TraceFile::create("/dev/full", {}, 1 << 20).status().code(), "SV_TRACE");
}

/// While it lives, no file of this process grows beyond `bytes`, as on a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) : before_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit less{bytes, limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &less);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &limit_);
    ::signal(SIGXFSZ, before_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit limit_{};
  void (*before_)(int);
};

TEST_F(Written, ADiskThatIsFullEndsItWholeAndIsToldOnce) {
  auto trace = TraceFile::create(path_, {{1, "one"}}, TraceFile::kMostBytes).take();
  trace->addSpan(1, "kept", 1, 2);
  ASSERT_TRUE(trace->flush());
  const SmallDisk disk(4096);
  int added = 0;
  for (; added < 10'000 && !trace->over(); ++added) trace->addSpan(1, "lost", added, added + 1);
  EXPECT_GT(added, 100) << "the buffer was not used";
  EXPECT_LT(added, 10'000);
  EXPECT_TRUE(trace->failed());
  const Status told = trace->flush();
  EXPECT_EQ(told.code(), "SV_TRACE");
  EXPECT_NE(told.message().find("File too large"), std::string::npos) << told.message();
  EXPECT_FALSE(trace->failed());
  EXPECT_TRUE(trace->flush()) << "once";
  EXPECT_EQ(events().back()["name"], "kept");
  EXPECT_LT(std::filesystem::file_size(path_), 4096u);
}

}  // namespace
}  // namespace llmc::rt::serving
