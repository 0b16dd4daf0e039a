// Threads and memory that the system refuses: fewer helpers, or one line and status 69. Limits are put on children.
#include "runtime/base/shortage.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <system_error>

#include "tests/unit/sanitized.h"

namespace llmc::rt {
namespace {

void refuseMemory() {
  const rlimit none = {1 << 20, 1 << 20};  // less than is mapped already: no mapping comes any more
  setrlimit(RLIMIT_AS, &none);
}

/// Memory is refused in a child.
class ShortageDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "a sanitizer's own allocator ends the process first";
  }
};

void cleanUp() { (void)!::write(STDERR_FILENO, "cleaned\n", 8); }

TEST(ShortageTest, AsManyThreadsAsAskedForShareTheWork) {
  std::atomic<int> ran{0};
  auto threads = startThreads(3, [&] { ++ran; });
  EXPECT_EQ(threads.size(), 3u);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ran, 3);
}

TEST_F(ShortageDeathTest, WithoutThreadsTheCallerIsAlone) {
  EXPECT_EXIT(
      {
        refuseMemory();  // no stack for a thread
        _exit(startThreads(3, [] {}).empty() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(ShortageDeathTest, AFailedAllocationIsAnErrorAfterTheCleaning) {
  EXPECT_EXIT(
      {
        explainShortages(cleanUp);
        refuseMemory();
        (void)::operator new(size_t{1} << 30);
      },
      testing::ExitedWithCode(69), "cleaned\nerror.RT_MEMORY. .*ulimit -v");
}

TEST_F(ShortageDeathTest, AnUnknownExceptionWithoutDescriptorsIsAnError) {
  const auto throwWith = [](rlim_t files) {
    explainShortages(cleanUp);
    const rlimit few = {files, files};
    setrlimit(RLIMIT_NOFILE, &few);
    std::thread([] { throw 1; }).join();  // as of a library with exceptions of its own
  };
  EXPECT_EXIT(throwWith(3), testing::ExitedWithCode(69), "cleaned\nerror.RT_FILES. .*ulimit -n");
  EXPECT_EXIT(throwWith(100), testing::KilledBySignal(SIGABRT), "");
}

TEST_F(ShortageDeathTest, AStackThatIsTooSmallIsToldAtOnce) {
  const auto startWith = [](rlim_t bytes) {
    const rlimit small = {bytes, bytes};
    setrlimit(RLIMIT_STACK, &small);
    explainShortages(cleanUp);
    _exit(0);
  };
  EXPECT_EXIT(startWith(64 << 10), testing::ExitedWithCode(69), "^error.RT_STACK. .*ulimit -s");
  EXPECT_EXIT(startWith(256 << 10), testing::ExitedWithCode(0), "");
}

TEST_F(ShortageDeathTest, ANullThatNobodyLookedAtIsAnErrorOnlyWithoutMemory) {
  volatile int* volatile null = nullptr;
  EXPECT_EXIT(
      {
        explainShortages();
        refuseMemory();
        *null = 1;
      },
      testing::ExitedWithCode(69), "error.RT_MEMORY.");
  EXPECT_EXIT(
      {
        signal(SIGSEGV, SIG_DFL);  // without what a sanitizer does about it
        explainShortages();
        *null = 1;
      },
      testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(ShortageDeathTest, AnAbortIsAnErrorOnlyWithoutMemory) {
  EXPECT_EXIT(
      {
        explainShortages();
        refuseMemory();
        std::abort();  // as the C library does that got none
      },
      testing::ExitedWithCode(69), "error.RT_MEMORY.");
  EXPECT_EXIT(
      {
        explainShortages();
        std::abort();
      },
      testing::KilledBySignal(SIGABRT), "");
}

TEST_F(ShortageDeathTest, AThreadThatNobodyMissesIsAnError) {
  EXPECT_EXIT(
      {
        explainShortages();
        refuseMemory();
        []() noexcept { std::thread([] {}).join(); }();
      },
      testing::ExitedWithCode(69), "^error.RT_THREADS. .*ulimit -u");
}

TEST(ShortageOtherDeathTest, AnyOtherExceptionIsABugAndEndsInASignal) {
  EXPECT_EXIT(
      {
        explainShortages();
        std::thread([] { throw std::logic_error("a bug"); }).join();
      },
      testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace llmc::rt
