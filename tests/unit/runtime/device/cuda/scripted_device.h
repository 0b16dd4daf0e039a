// A scripted driver with an open context and a stream: what tests of the wrappers start from.
#pragma once

#include <memory>

#include "runtime/device/cuda/stream.h"
#include "tests/unit/runtime/device/cuda/scripted_driver.h"

namespace llmc::rt::test {

struct ScriptedDevice {
  ScriptedDriver scripted;
  std::unique_ptr<cuda::Driver> driver = cuda::Driver::open(ScriptedDriver::path()).take();
  std::unique_ptr<cuda::Context> context = cuda::Context::open(*driver, 0).take();
  std::unique_ptr<cuda::Stream> stream = cuda::Stream::create(*context).take();
};

}  // namespace llmc::rt::test
