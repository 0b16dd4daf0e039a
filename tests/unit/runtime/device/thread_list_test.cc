// A line a thread, by name.
#include "runtime/device/thread_list.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <future>
#include <thread>

namespace llmc::rt {
namespace {

TEST(ThreadList, NamesEachThreadAndItsState) {
  std::promise<long> number;
  std::promise<void> end;
  std::thread sleeper([&] {
    pthread_setname_np(pthread_self(), "a) R 1 (b");  // as hostile as names can be
    number.set_value(syscall(SYS_gettid));
    end.get_future().wait();
  });
  const std::string line = "thread " + std::to_string(number.get_future().get()) + " a) R 1 (b ";
  std::string list = threadList();
  for (int i = 0; i < 1000 && list.find(line + "S, ") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    list = threadList();
  }
  EXPECT_NE(list.find(line + "S, "), std::string::npos) << list;
  EXPECT_NE(list.find("thread " + std::to_string(getpid()) + " "), std::string::npos) << list;
  EXPECT_NE(list.find(" R, "), std::string::npos) << "this one runs\n" << list;
  end.set_value();
  sleeper.join();
}

}  // namespace
}  // namespace llmc::rt
