// What the handles of the scripted libcuda point at.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>

#include "tests/unit/runtime/device/cuda/scripted_driver.h"

namespace llmc::rt::cuda {

using Work = std::function<void()>;

struct CuContextObject {};
struct CuModuleObject {};
struct CuFunctionObject {
  uint32_t words = 0;
  test::ScriptedDriver::Kernel kernel;
  int sharedBytes = 48 << 10;
};
struct CuGraphObject {
  std::deque<Work> works;
};
struct CuGraphExecObject : CuGraphObject {};
struct CuStreamObject {
  std::deque<Work> works, captured;
  bool capturing = false;
};
struct CuEventObject {
  CuStream stream = nullptr;
  uint64_t recorded = 0, passed = 0;  ///< how often
  std::chrono::steady_clock::time_point reached;
};

}  // namespace llmc::rt::cuda
