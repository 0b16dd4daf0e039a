// The new handler, the terminate handler and that of faults. They may run where nothing can be allocated: they only
// write and leave.
#include "runtime/base/shortage.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>
#include <system_error>

#include "runtime/base/status.h"

namespace llmc::rt {
namespace {

std::atomic<void (*)()> cleaner{nullptr};
std::atomic_flag said;

/// Several threads may run out at once: one speaks and ends all.
[[noreturn]] void end(std::string_view text) {
  while (said.test_and_set()) ::pause();
  if (void (*cleanUp)() = cleaner.load()) cleanUp();
  (void)!::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(exitStatus(ErrorKind::kUnavailable));
}

[[noreturn]] void onTerminate() {
  try {
    if (std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    endWithoutMemory();
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again) endWithoutThreads();
  } catch (...) {
    // Boost's exceptions are none of the standard's: what is missing is still missing.
    if (::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0) < 0 && (errno == EMFILE || errno == ENFILE)) endWithoutFiles();
  }
  std::abort();  // a bug: the signal says so
}

bool isFree(size_t bytes) {
  void* probe = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (probe == MAP_FAILED) return false;
  munmap(probe, bytes);
  return true;
}

struct sigaction segvBefore;

/// Libraries that do not look at what malloc() gave them (MLIR is one) write near address 0 when there is no memory.
/// Any other fault happens again, under the action that was there before.
void onFault(int, siginfo_t* info, void*) {
  constexpr size_t kProbe = size_t{64} << 20;
  if (reinterpret_cast<uintptr_t>(info->si_addr) < 1 << 16 && !isFree(kProbe)) endWithoutMemory();
  sigaction(SIGSEGV, &segvBefore, nullptr);
}

/// The C library aborts where it has no 24 bytes left to note a thread's destructor, be it while another thread is
/// about to end the process here. An abort for any other reason goes on: abort() raises its signal again.
void onAbort(int) {
  constexpr size_t kProbe = size_t{1} << 20;  // what malloc() asks for at most when a small block is wanted
  if (said.test() || !isFree(kProbe)) endWithoutMemory();
  signal(SIGABRT, SIG_DFL);
}

void watchFaults() {
  struct sigaction action = {};
  action.sa_sigaction = onFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &segvBefore);
  struct sigaction abort = {};
  abort.sa_handler = onAbort;
  sigaction(SIGABRT, &abort, nullptr);
}

}  // namespace

void explainShortages(void (*cleanUp)()) {
  constexpr rlim_t kLeastStack = 256 << 10;  // builds were seen to overflow 64 KiB, and to end well within 128
  rlimit stack{};
  if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < kLeastStack)
    end("error[RT_STACK] the stack may not have 256 KiB; lift its limit (ulimit -s)\n");
  cleaner = cleanUp;
  watchFaults();
  std::set_new_handler(endWithoutMemory);
  std::set_terminate(onTerminate);
}

void endWithoutMemory() {
  end("error[RT_MEMORY] the system gives this process no more memory; close other programs or lift its limit "
      "(ulimit -v, the container's)\n");
}

void endWithoutThreads() {
  end("error[RT_THREADS] the system gives this process no more threads; lift its limit (ulimit -u, -v, the "
      "container's) or ask for fewer\n");
}

void endWithoutFiles() {
  end("error[RT_FILES] the system gives this process no more files to open; lift its limit (ulimit -n)\n");
}

std::vector<std::thread> startThreads(size_t count, const std::function<void()>& work) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  try {
    while (threads.size() < count) threads.emplace_back(work);
  } catch (const std::system_error&) {  // the standard library's only way to say that there is no further one
  }
  return threads;
}

}  // namespace llmc::rt
