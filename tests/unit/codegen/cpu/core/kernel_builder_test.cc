// Items that kernels share out: each is done once, whoever comes when.
#include "codegen/cpu/KernelBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "tests/unit/codegen/cpu/core/kernel_runner.h"

#include "gtest/gtest.h"
#include <numeric>
#include <random>
#include <thread>

namespace llmc {
namespace {

/// A kernel that adds 1 to each of args[1] i32 items at args[0], and the number of ranges to this worker's i32 at
/// args[2]; with `limit` shares are equal from so many items on.
std::unique_ptr<MappedKernel> counting(int64_t chunk, int64_t limit = 0) {
  return buildModule(instructionSets().front(), [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "kernel", 3, instructionSets().front());
    mlir::Value count = k.loadIndex(k.arg(1), k.c(0));
    auto increment = [&](mlir::Value base, mlir::Value index) {
      mlir::Value offset = k.mul(index, 4), one = mlir::arith::ConstantIntOp::create(k.b(), 1, 32);
      k.store(k.add(k.load(k.i32(), base, offset, 0, 4), one), base, offset, 0, 4);
    };
    if (limit)
      k.shareOutOnlyIf(k.less(count, k.c(limit)));
    auto ranges = [&](mlir::Value begin, mlir::Value end, mlir::ValueRange carried) {
      k.forEach(begin, end, 1, [&](mlir::Value item) { increment(k.arg(0), item); });
      increment(k.arg(2), k.worker());
      return KernelBuilder::Values{k.add(carried[0], 1)};
    };
    k.shareOut(count, k.c(chunk), {k.c(0)}, ranges);
    k.finish();
    return mlir::success();
  });
}

struct Work {
  explicit Work(int32_t items) : items(static_cast<size_t>(items)), count(items) {}

  void run(const MappedKernel &kernel, uint32_t worker, uint32_t workers, bool shares = true) {
    const uint64_t args[] = {reinterpret_cast<uint64_t>(items.data()), reinterpret_cast<uint64_t>(&count),
                             reinterpret_cast<uint64_t>(ranges.data())};
    EXPECT_EQ(kernel.function()(args, worker, workers, shares ? &taken : nullptr), 0);
  }
  bool eachOnce() const {
    return std::all_of(items.begin(), items.end(), [](int32_t times) { return times == 1; });
  }

  std::vector<int32_t> items, ranges = std::vector<int32_t>(16);
  int32_t count;
  std::atomic<uint32_t> taken{0};
};

TEST(ShareOut, EachItemIsDoneOnceInAnyOrderOfWorkers) {
  std::mt19937 random(5);
  for (int64_t chunk : {1, 4, 1000}) {
    auto kernel = counting(chunk);
    ASSERT_TRUE(kernel);
    for (int32_t items : {0, 1, 3, 17, 100})
      for (uint32_t workers : {1u, 2u, 4u, 9u}) {
        Work work(items);
        std::vector<uint32_t> order(workers);
        std::iota(order.begin(), order.end(), 0);
        std::shuffle(order.begin(), order.end(), random);
        for (uint32_t worker : order)
          work.run(*kernel, worker, workers);
        EXPECT_TRUE(work.eachOnce()) << items << " items, " << workers << " workers, chunks of " << chunk;
      }
  }
}

TEST(ShareOut, WhoIsFreeTakesTheLastQuarter) {
  auto kernel = counting(5);
  ASSERT_TRUE(kernel);
  Work work(80);
  work.run(*kernel, 2, 4); // 15 of its own, then all that is left over: 20 in chunks of 5
  EXPECT_EQ(std::accumulate(work.items.begin(), work.items.end(), 0), 35);
  EXPECT_EQ(work.items[30] + work.items[44] + work.items[60] + work.items[79], 4);
  EXPECT_EQ(work.ranges[2], 5);
  work.run(*kernel, 0, 4);
  EXPECT_EQ(work.ranges[0], 1);
  EXPECT_EQ(work.taken, 6u) << "four chunks, and one that was not there for each of the two";
}

TEST(ShareOut, WithoutACounterOrBeyondItsConditionSharesAreEqual) {
  auto kernel = counting(5), limited = counting(5, 80);
  ASSERT_TRUE(kernel && limited);
  for (bool counter : {false, true}) {
    Work work(80);
    for (uint32_t worker = 0; worker < 4; ++worker) {
      work.run(counter ? *limited : *kernel, worker, 4, counter);
      EXPECT_EQ(std::accumulate(work.items.begin(), work.items.end(), 0), 20 * static_cast<int>(worker + 1));
      EXPECT_EQ(work.ranges[worker], 1);
    }
    EXPECT_EQ(work.taken, 0u);
  }
}

TEST(ShareOut, EachItemIsDoneOnceByThreadsAtTheSameTime) {
  auto kernel = counting(3);
  ASSERT_TRUE(kernel);
  for (int round = 0; round < 50; ++round) {
    Work work(5000);
    std::vector<std::thread> threads;
    for (uint32_t worker = 0; worker < 4; ++worker)
      threads.emplace_back([&, worker] { work.run(*kernel, worker, 4); });
    for (auto &thread : threads)
      thread.join();
    ASSERT_TRUE(work.eachOnce());
  }
}

} // namespace
} // namespace llmc
