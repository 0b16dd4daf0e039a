// A loop whose device or whose sink hangs: seen from outside, given up, told; and one that comes back after that.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

#include "runtime/serving/engine_loop.h"
#include "tests/unit/runtime/exec/fake_engine.h"
#include "tests/unit/runtime/serving/loop_runner.h"

namespace llmc::rt::serving {
namespace {

/// Shut, it holds whoever passes.
class Door {
 public:
  void pass() {
    ++waiting;
    open_.wait();
  }
  void open() { promise_.set_value(); }
  std::atomic<int> waiting{0};

 private:
  std::promise<void> promise_;
  std::shared_future<void> open_ = promise_.get_future().share();
};

/// Finds token 3 in every row, and from step `hangAt` on it waits at a door.
class HangingDevice final : public StepBackend {
 public:
  HangingDevice(Door& door, int hangAt) : door_(door), hangAt_(hangAt) {}
  Status start(const Batch&, const StepSampling&) override { return Status::ok(); }
  Result<StepResults> finish() override {
    if (++steps_ >= hangAt_) door_.pass();
    return StepResults{nullptr, 0, nullptr, tokens_.data()};
  }
  bool ahead() const override { return true; }
  bool samples() const override { return true; }
  Status fetchLogits(uint32_t) override { return Status::ok(); }
  uint64_t workspaceBytes() const override { return 0; }

 private:
  Door& door_;
  const int hangAt_;
  int steps_ = 0;
  std::vector<float> tokens_ = std::vector<float>(1024, 3.0f);
};

class ErrorSink final : public server::GenerationSink {
 public:
  explicit ErrorSink(Door* door = nullptr) : door_(door) {}
  void deliver(server::GenerationEvent event) override {
    if (const auto* error = std::get_if<server::ErrorEvent>(&event)) {
      const std::lock_guard lock(mutex_);
      errors_.push_back(error->status.code());
    } else if (door_ && std::holds_alternative<server::TokenEvent>(event)) {
      door_->pass();
    }
  }
  std::vector<std::string> errors() {
    const std::lock_guard lock(mutex_);
    return errors_;
  }

 private:
  Door* const door_;
  std::mutex mutex_;
  std::vector<std::string> errors_;
};

bool waitFor(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return condition();
}

class LoopWatch : public testing::Test {
 protected:
  void start(int hangAt) {
    std::promise<void> ready;
    thread_ = std::thread([&, hangAt] {
      constexpr uint32_t kPages = 64;
      rt::test::FakeEngine engine;
      auto pool = WorkerPool::create({.threads = 1, .pin = false}).take();
      auto kv = KvStore::create(rt::test::FakeEngine::kPageBytes, kPages).take();
      const StepLimits limits{32, 32, 8, 200};
      auto executor =
          Executor::create(std::make_unique<HangingDevice>(device_, hangAt), engine.plan(), *pool, limits, kPages)
              .take();
      SchedulerConfig config;
      config.limits = limits;
      config.pages = kPages;
      server::ModelFacts facts;
      facts.names = {"fake"};
      facts.context = 200;
      LoopExtras extras;
      extras.woke = [this] { ++woken_; };
      extras.settled = [this] { ++settled_; };
      extras.trace = StepTrace::create(trace_).take();
      loop_ = EngineLoop::create(*executor, *kv, facts, config, std::move(extras)).take();
      ready.set_value();
      ended_ = loop_->run();
    });
    ready.get_future().wait();
  }
  server::GenerationRequest request(const std::string& name) {
    server::GenerationRequest request = test::requestOf(1, {1, 2, 3}, 50);
    request.requestId = name;
    request.sampling.logprobs = -1;
    request.choices = 2;
    return request;
  }
  std::string condemn() {
    std::string said;
    loop_->condemn(kStuck, [&](const std::string& text) { said += text; });
    return said;
  }
  void TearDown() override {
    if (loop_) loop_->stop();
    if (thread_.joinable()) thread_.join();
  }

  const Status kStuck = Status::error(ErrorKind::kWatchdog, "SV_STUCK", "a test");
  const std::string trace_ = testing::TempDir() + "/watch_trace.json";
  Door device_;
  std::atomic<int> woken_{0}, settled_{0};
  std::unique_ptr<EngineLoop> loop_;
  std::thread thread_;
  Status ended_ = Status::ok();
};

TEST_F(LoopWatch, ASecondOfRestIsToldOnceARest) {
  const auto begin = std::chrono::steady_clock::now();
  start(/*hangAt=*/1000);
  ASSERT_TRUE(waitFor([&] { return settled_ == 1; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  ASSERT_TRUE(loop_->submit(request("who asks"), std::make_shared<ErrorSink>()));
  ASSERT_TRUE(waitFor([&] { return settled_ == 2; })) << "and again after the next one";
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  EXPECT_EQ(settled_, 2);
}

TEST_F(LoopWatch, ADeviceThatHangs) {
  start(/*hangAt=*/5);
  ASSERT_TRUE(waitFor([&] { return !loop_->signs().working; }));
  const int before = woken_;
  auto sink = std::make_shared<ErrorSink>();
  ASSERT_TRUE(loop_->submit(request("who\nasks"), sink));
  ASSERT_TRUE(waitFor([&] { return device_.waiting == 1; }));
  EXPECT_GT(woken_, before);
  const LifeSigns signs = loop_->signs();
  EXPECT_TRUE(signs.working);
  EXPECT_GT(signs.p99Seconds, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(loop_->signs().turn, signs.turn);
  EXPECT_TRUE(loop_->works());

  const std::string said = condemn();
  for (const char* part :
       {"in the kernels, or waiting for the device", "worker 0", "2 sequences run",
        "request who\\x0aasks choice 0 running: 3 prompt tokens", "choice 1 running", "sequences, 2 rows"})
    EXPECT_NE(said.find(part), std::string::npos) << part << "\n" << said;
  EXPECT_FALSE(loop_->works());
  EXPECT_EQ(sink->errors(), std::vector<std::string>{"SV_STUCK"});
  EXPECT_EQ(loop_->submit(request("late"), sink).code(), "SV_BROKEN");
  std::ifstream file(trace_);
  const std::string trace{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(trace.find("\"step\""), std::string::npos) << "what was in the buffer is written";

  device_.open();  // too late
  thread_.join();
  EXPECT_EQ(ended_.code(), "SV_STUCK");
  EXPECT_EQ(sink->errors().size(), 1u) << "told once";
  EXPECT_FALSE(loop_->signs().working);
  EXPECT_EQ(condemn(), "the engine's loop has ended\n");
}

TEST_F(LoopWatch, ALoopThatHangsElsewhereIsLeftUntouched) {
  start(/*hangAt=*/1 << 30);
  Door door;
  auto sink = std::make_shared<ErrorSink>(&door);
  ASSERT_TRUE(loop_->submit(request("who"), sink));
  ASSERT_TRUE(waitFor([&] { return door.waiting == 1; }));
  const std::string said = condemn();
  EXPECT_NE(said.find("telling tokens"), std::string::npos) << said;
  EXPECT_EQ(said.find("request who"), std::string::npos) << "its state is not ours to read";
  EXPECT_TRUE(sink->errors().empty());
  EXPECT_FALSE(loop_->works());
  door.open();
  thread_.join();
  EXPECT_EQ(ended_.code(), "SV_STUCK") << "it ends at the next step";
  EXPECT_EQ(sink->errors(), std::vector<std::string>{"SV_STUCK"});
}

}  // namespace
}  // namespace llmc::rt::serving
