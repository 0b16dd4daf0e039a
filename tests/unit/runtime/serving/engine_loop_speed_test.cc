// What a step of the loop costs beside the device, with 256 sequences: planning, batch arrays, greedy sampling, events;
// that it allocates nothing; and how long a device waits for it between two steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>
#include <vector>

#include "runtime/serving/engine_loop.h"
#include "tests/unit/runtime/exec/fake_engine.h"

namespace {

uint64_t allocations = 0;

}  // namespace

// The thread sanitizer has its own operator new and refuses another.
#if __has_feature(thread_sanitizer)
constexpr bool kCountsAllocations = false;
#else
constexpr bool kCountsAllocations = true;

void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace llmc::rt::serving {
namespace {

constexpr uint32_t kSequences = 256, kContext = 512, kFrom = 100, kTo = 400;
// Far above the time of any machine without sanitizers (target 50 us): catches work that grows with the square.
constexpr double kBoundMicroseconds = 20000;

using Clock = std::chrono::steady_clock;

double cpuMicroseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

/// Looks at the clock and the allocations at each token of one sequence, then stops the loop.
struct Watch {
  EngineLoop* loop = nullptr;
  Clock::time_point last;
  std::vector<double> microseconds;  ///< of the steps between kFrom and kTo
  double cpuFrom = 0, cpuTo = 0;     ///< microseconds of this thread: what others take of its CPU is not in them
  uint64_t allocationsFrom = 0, allocationsTo = 0;
  uint64_t tokens = 0;
};

class Sink final : public server::GenerationSink {
 public:
  Sink(Watch& watch, bool first) : watch_(&watch), first_(first) {}
  void deliver(server::GenerationEvent event) override {
    if (!std::holds_alternative<server::TokenEvent>(event)) return;
    ++watch_->tokens;
    if (!first_) return;
    const Clock::time_point now = Clock::now();
    const double passed = std::chrono::duration<double, std::micro>(now - watch_->last).count();
    watch_->last = now;
    if (++mine_ == kFrom) watch_->allocationsFrom = allocations, watch_->cpuFrom = cpuMicroseconds();
    if (mine_ <= kFrom) return;
    watch_->microseconds.push_back(passed);
    if (mine_ < kTo) return;
    watch_->cpuTo = cpuMicroseconds();
    watch_->allocationsTo = allocations;
    watch_->loop->stop();
  }

 private:
  Watch* watch_;
  const bool first_;
  uint32_t mine_ = 0;
};

/// A device that takes a time of its own for each step and finds token 3 in every row, which it keeps for the next one.
class TimedDevice final : public StepBackend {
 public:
  explicit TimedDevice(Clock::duration step) : step_(step), tokens_(kSequences * kStride, 3.0f) {}

  Status start(const Batch&, const StepSampling&) override {
    const Clock::time_point begin = std::max(Clock::now(), free_);
    if (free_ != Clock::time_point{}) idle.push_back(std::chrono::duration<double, std::micro>(begin - free_).count());
    free_ = begin + step_;
    ends_[started_++ % 2] = free_;
    return Status::ok();
  }
  Result<StepResults> finish() override {
    while (Clock::now() < ends_[finished_ % 2]) {
    }
    ++finished_;
    return StepResults{nullptr, 0, nullptr, tokens_.data()};
  }
  bool ahead() const override { return true; }
  bool samples() const override { return true; }
  Status fetchLogits(uint32_t) override { return Status::ok(); }
  uint64_t workspaceBytes() const override { return 0; }

  std::vector<double> idle;  ///< microseconds before each step but the first

 private:
  static constexpr size_t kStride = rowStrideBytes(4) / 4;
  const Clock::duration step_;
  std::vector<float> tokens_;
  Clock::time_point free_, ends_[2];
  uint64_t started_ = 0, finished_ = 0;
};

constexpr uint32_t kPages = kSequences * (kContext / kPageTokens + 1);
constexpr StepLimits kLimits{2048, kSequences, kSequences, kContext};

/// All sequences through a loop, greedily; `watch` stops it.
void serve(Executor& executor, KvStore& kv, Watch& watch, bool asyncScheduling) {
  SchedulerConfig config;
  config.limits = kLimits;
  config.pages = kPages;
  server::ModelFacts facts;
  facts.names = {"fake"};
  facts.context = kContext;
  watch.microseconds.reserve(kTo);
  LoopExtras extras;
  extras.asyncScheduling = asyncScheduling;
  auto loop = EngineLoop::create(executor, kv, facts, config, std::move(extras)).take();
  watch.loop = loop.get();
  for (uint64_t id = 1; id <= kSequences; ++id) {
    server::GenerationRequest request;
    request.id = id;
    request.prompt.assign(16, static_cast<int32_t>(id % test::kVocabulary));
    request.maxTokens = kTo + 50;
    request.sampling.temperature = 0;
    ASSERT_TRUE(loop->submit(request, std::make_shared<Sink>(watch, id == 1)));
  }
  ASSERT_TRUE(loop->run());
}

TEST(EngineLoopSpeed, OfAStepWith256Sequences) {
  const test::FakeEngine engine(test::FakeEngine::Kind::kSilent);
  auto pool = WorkerPool::create({.threads = 1}).take();
  auto kv = KvStore::create(test::FakeEngine::kPageBytes, kPages).take();
  auto executor = Executor::create(engine.source(), *pool, kLimits, {kv->base(), kPages}).take();
  Watch watch;
  serve(*executor, *kv, watch, true);
  std::sort(watch.microseconds.begin(), watch.microseconds.end());
  const double best = watch.microseconds.front(), median = watch.microseconds[watch.microseconds.size() / 2];
  std::printf(
      "engine loop, 256 greedy sequences on a device that takes no time, vocabulary %u: %.1f us a step at best, %.1f "
      "in "
      "the median, %.1f of its thread's CPU time in the mean; %llu allocations in %u steps\n",
      test::kVocabulary, best, median, (watch.cpuTo - watch.cpuFrom) / (kTo - kFrom),
      static_cast<unsigned long long>(watch.allocationsTo - watch.allocationsFrom), kTo - kFrom);
  EXPECT_GT(watch.tokens, uint64_t{kSequences} * (kTo - kFrom));
  EXPECT_LT(best, kBoundMicroseconds);
  if (kCountsAllocations) EXPECT_EQ(watch.allocationsTo, watch.allocationsFrom);
}

/// Medians, because the machine is busy.
TEST(EngineLoopSpeed, OfWhatADeviceWaitsBetweenTwoSteps) {
  const test::FakeEngine engine(test::FakeEngine::Kind::kSilent);
  auto pool = WorkerPool::create({.threads = 1}).take();
  auto kv = KvStore::create(test::FakeEngine::kPageBytes, kPages).take();
  double idle[2];
  for (const bool ahead : {false, true}) {
    auto device = std::make_unique<TimedDevice>(std::chrono::microseconds(300));
    TimedDevice& timed = *device;
    timed.idle.reserve(size_t{4} * kTo);
    auto executor = Executor::create(std::move(device), engine.plan(), *pool, kLimits, kPages).take();
    Watch watch;
    serve(*executor, *kv, watch, ahead);
    std::vector<double> waits(timed.idle.begin() + kFrom, timed.idle.end());
    std::sort(waits.begin(), waits.end());
    std::sort(watch.microseconds.begin(), watch.microseconds.end());
    idle[ahead] = waits[waits.size() / 2];
    std::printf(
        "engine loop, 256 greedy sequences on a device of 300 us a step, steps %s: it waits %.1f us between two in the "
        "median, a step takes %.1f us; %llu allocations\n",
        ahead ? "started ahead" : "one by one", idle[ahead], watch.microseconds[watch.microseconds.size() / 2],
        static_cast<unsigned long long>(watch.allocationsTo - watch.allocationsFrom));
    if (kCountsAllocations) EXPECT_EQ(watch.allocationsTo, watch.allocationsFrom);
  }
  EXPECT_LT(idle[true], idle[false]);
}

}  // namespace
}  // namespace llmc::rt::serving
