// The loop on the scripted device, and the same requests on the CPU.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "runtime/kv/cuda/device_pages.h"
#include "tests/unit/runtime/exec/cuda/fake_cuda_engine.h"
#include "tests/unit/runtime/serving/loop_runner.h"

namespace llmc::rt::serving::test {

using rt::test::FakeEngine;

/// Machines on one device, and the same requests' answers on the CPU.
class CudaLoop : public testing::Test {
 protected:
  using Kind = FakeEngine::Kind;

  LoopSetup onDevice(LoopSetup setup) {
    setup.machine = [this](const LoopSetup& wanted, WorkerPool& pool) {
      LoopMachine machine;
      machine.kv = KvStore::over(cuda::devicePages(*device_.stream, FakeEngine::kPageBytes * wanted.pages).take(),
                                 FakeEngine::kPageBytes, wanted.pages);
      auto backend = cuda::DeviceBackend::create(*device_.stream, engine_.load(*device_.context).take(), wanted.limits,
                                                 cuda::hostAddress(machine.kv->base()), {wanted.numerics, true});
      EXPECT_TRUE(backend) << backend.status().toString();
      machine.executor =
          Executor::create(backend.take(), engine_.plan(), pool, wanted.limits, wanted.pages, wanted.numerics).take();
      if (failAfter_ > 0) {
        device_.scripted.script().failAt = device_.scripted.script().calls + failAfter_;
        device_.scripted.script().failCode = failCode_;
      }
      return machine;
    };
    return setup;
  }

  std::vector<server::GenerationRequest> requests(std::mt19937& random, size_t count, uint32_t choices) {
    std::vector<server::GenerationRequest> made;
    std::vector<int32_t> shared(20);
    for (int32_t& token : shared) token = static_cast<int32_t>(random() % 38);
    for (uint64_t id = 1; id <= count; ++id) {
      std::vector<int32_t> prompt(shared.begin(), shared.begin() + random() % 20);
      for (size_t i = 0; i < 2 + random() % 40; ++i) prompt.push_back(static_cast<int32_t>(random() % 38));
      made.push_back(requestOf(id, std::move(prompt), 20 + random() % 60));
      made.back().choices = 1 + static_cast<uint32_t>(random() % choices);
      made.back().sampling.temperature = random() % 2 ? 0.9 : 0;
      made.back().sampling.seed = random();
    }
    return made;
  }

  FakeEngine host_{Kind::kContexts};
  rt::test::ScriptedDevice device_;
  rt::test::FakeCudaEngine engine_{device_.scripted, Kind::kContexts, /*samples=*/true};
  uint64_t failAfter_ = 0;
  int failCode_ = 719;
};

}  // namespace llmc::rt::serving::test
