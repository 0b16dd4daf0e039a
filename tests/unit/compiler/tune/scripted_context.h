// A device to measure on without one.
#pragma once

#include "tests/unit/runtime/device/cuda/scripted_driver.h"
#include "gtest/gtest.h"

namespace llmc {

/// A context on the scripted driver, whose memory is the host's.
class ScriptedContext : public testing::Test {
protected:
  void SetUp() override {
    driver_ = rt::cuda::Driver::open(rt::test::ScriptedDriver::path()).take();
    context_ = rt::cuda::Context::open(*driver_, 0).take();
    stream_ = rt::cuda::Stream::create(*context_).take();
  }
  rt::test::ScriptedDriver scripted_;
  std::unique_ptr<rt::cuda::Driver> driver_;
  std::unique_ptr<rt::cuda::Context> context_;
  std::unique_ptr<rt::cuda::Stream> stream_;
};

} // namespace llmc
