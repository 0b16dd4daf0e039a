// Rewrites the plan, and calls the CPU kernels with a block for a worker.
#include "tests/unit/runtime/exec/cuda/fake_cuda_engine.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/exec/cuda/fake_sampler.h"

namespace llmc::rt::test {

constexpr uint64_t kSampleOffset = 1 << 20;  // no kernel of the host lies there

namespace {

/// Ends each program with a kernel that samples its logits.
void addSampling(fb::EngineT& engine) {
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->name = "sample";
  kernel->dim = fb::Dim::Row;
  kernel->args = 4;
  kernel->variants.push_back(std::make_unique<fb::VariantT>());
  kernel->variants[0]->code.push_back(std::make_unique<fb::CodeRangeT>());
  kernel->variants[0]->code[0]->offset = kSampleOffset;
  engine.kernels.push_back(std::move(kernel));
  for (auto& program : engine.programs) {
    auto slot = std::make_unique<fb::SlotT>();
    slot->unit = fb::Unit::Row;
    slot->offset = program->region_bytes[2];
    slot->bytes = rowStrideBytes(4);
    program->region_bytes[2] += slot->bytes;
    program->sample_slot = static_cast<int32_t>(program->slots.size());
    program->slots.push_back(std::move(slot));
    auto launch = std::make_unique<fb::LaunchT>();
    launch->kernel = static_cast<uint32_t>(engine.kernels.size() - 1);
    for (const int32_t index :
         {-1, static_cast<int32_t>(program->logits_slot), program->argmax_slot, program->sample_slot}) {
      auto arg = std::make_unique<fb::ArgT>();
      arg->kind = index < 0 ? fb::ArgKind::Batch : fb::ArgKind::Slot;
      arg->index = static_cast<uint32_t>(std::max(index, 0));
      launch->args.push_back(std::move(arg));
    }
    program->phases.push_back(std::make_unique<fb::PhaseT>());
    program->phases.back()->launches.push_back(std::move(launch));
  }
}

}  // namespace

FakeCudaEngine::FakeCudaEngine(const ScriptedDriver& scripted, FakeEngine::Kind kind, bool samples) : host_(kind) {
  std::unique_ptr<fb::EngineT> engine(host_.plan().UnPack());
  engine->target = "cuda";
  engine->abi_version = cuda::kAbiVersion;
  if (samples) addSampling(*engine);
  engine->levels[0]->name = "cuda:sm_90a";
  engine->programs[0]->t_max = 0;
  engine->programs[0]->q_max = 1;
  for (auto& kernel : engine->kernels) {
    for (auto& variant : kernel->variants) {
      const uint64_t offset = variant->code[0]->offset;
      variant->symbol = "at" + std::to_string(offset);
      variant->code[0]->launch = std::make_unique<fb::LaunchShapeT>();
      variant->code[0]->launch->threads = 32;
      variant->code[0]->launch->blocks_per_sm = 1;
      variant->code[0]->launch->waits = true;
      for (int i = 0; i < 3; ++i) variant->code[0]->launch->grid.push_back(std::make_unique<fb::GridDimT>());
      for (int i = 1; i < 3; ++i) variant->code[0]->launch->grid[i]->base = 1;
      variant->code[0]->launch->grid[0]->t_tile = 2;
      variant->code[0]->launch->grid[0]->t_count = 1;
      variant->code[0]->launch->grid[0]->seq_count = 1;
      scripted.addKernel(
          variant->symbol.c_str(), kernel->args, [this, offset](const uint64_t* words, const uint32_t* grid) {
            if (offset == kSampleOffset) return sampleOnHost(words);
            // Each kernel keeps a line of scratch a worker, and the engine has room for one.
            const auto function = reinterpret_cast<KernelFn>(const_cast<void*>(host_.source().codeAddress(offset)));
            EXPECT_GT(grid[0], 0u);
            EXPECT_EQ(function(words, 0, 1, nullptr), 0);
          });
    }
  }
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Engine::Pack(builder, engine.get()), fb::EngineIdentifier());
  bytes_.assign(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

std::span<const std::byte> FakeCudaEngine::section(uint32_t) const {
  return {static_cast<const std::byte*>(host_.source().weightAddress(0)), 64 * sizeof(float)};
}

Result<cuda::DeviceEngine> FakeCudaEngine::load(const cuda::Context& context) const {
  cuda::DeviceEngine engine;
  engine.plan = &plan();
  auto code = cuda::DeviceCode::load(context, plan(), 0, [](uint64_t) { return kScriptedImage; });
  LLMC_TRY(code.status());
  engine.code = code.take();
  auto weights =
      cuda::DeviceWeights::upload(context, plan(), [this](uint32_t i) { return section(i); }, {.threads = 1});
  LLMC_TRY(weights.status());
  engine.weights = weights.take();
  return engine;
}

CudaMachine::CudaMachine(StepLimits limits, cuda::BackendOptions options, bool samples)
    : engine(scripted, FakeEngine::Kind::kSums, samples) {
  const Status status = open(limits, options);
  EXPECT_TRUE(status) << status.toString();
}

Status CudaMachine::open(StepLimits limits, cuda::BackendOptions options) {
  pool = WorkerPool::create({.threads = 1}).take();
  auto loaded = cuda::Driver::open(ScriptedDriver::path());
  LLMC_TRY(loaded.status());
  driver = loaded.take();
  auto opened = cuda::Context::open(*driver, 0);
  LLMC_TRY(opened.status());
  context = opened.take();
  auto made = cuda::Stream::create(*context);
  LLMC_TRY(made.status());
  stream = made.take();
  auto pages = cuda::DeviceBuffer::create(*context, 64 * FakeEngine::kPageBytes, "the KV cache");
  LLMC_TRY(pages.status());
  kv = pages.take();
  auto device = engine.load(*context);
  LLMC_TRY(device.status());
  auto ready = cuda::DeviceBackend::create(*stream, device.take(), limits, kv.address(), options);
  LLMC_TRY(ready.status());
  backend = ready->get();
  auto all = Executor::create(ready.take(), engine.plan(), *pool, limits, 64, options.numerics);
  LLMC_TRY(all.status());
  executor = all.take();
  return Status::ok();
}

}  // namespace llmc::rt::test
