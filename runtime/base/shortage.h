// What becomes of a program to which the system gives no more memory or threads: an error and a status, no signal.
#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace llmc::rt {

/// From here on a failed allocation, and an exception for want of memory, threads or files that nobody caught, end the
/// process with one line (RT_MEMORY, RT_THREADS, RT_FILES) and status 69; so does a write through a null that malloc()
/// gave, and an abort of the C library that got none. `cleanUp` is called first; it must be async-signal-safe. A stack
/// too small for any work ends it here (RT_STACK).
void explainShortages(void (*cleanUp)() = nullptr);

/// The end that explainShortages() promises, for allocators that know nothing of C++. Any thread may call it.
[[noreturn]] void endWithoutMemory();
/// Likewise, for libraries that report a failed pthread_create in their own way.
[[noreturn]] void endWithoutThreads();
/// Likewise, for libraries that throw when they get no descriptor (RT_FILES).
[[noreturn]] void endWithoutFiles();

/// Starts up to `count` threads that run `work`, as many as the system gives: for work that any number may share.
std::vector<std::thread> startThreads(size_t count, const std::function<void()>& work);

}  // namespace llmc::rt
