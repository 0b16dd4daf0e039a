// Weights arrive byte for byte whatever the pieces and threads; failures end the upload.
#include "runtime/exec/cuda/device_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/unit/runtime/device/cuda/scripted_device.h"

namespace llmc::rt::cuda {
namespace {

/// Two sections, three weights.
struct Weights {
  std::vector<std::byte> sections[2] = {std::vector<std::byte>(100'000), std::vector<std::byte>(5000)};
  std::vector<uint8_t> plan;

  Weights() {
    fb::EngineT engine;
    engine.model = std::make_unique<fb::ModelT>();
    engine.kv = std::make_unique<fb::KvSpecT>();
    for (const auto& [section, offset] : {std::pair{0u, 0u}, {1u, 256u}, {0u, 4096u}}) {
      auto weight = std::make_unique<fb::WeightT>();
      weight->section = section;
      weight->offset = offset;
      engine.weights.push_back(std::move(weight));
    }
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(fb::Engine::Pack(builder, &engine), fb::EngineIdentifier());
    plan.assign(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
    for (auto& section : sections)
      for (size_t i = 0; i < section.size(); ++i) section[i] = static_cast<std::byte>(i * 7 + i / 251 + section.size());
  }
  const fb::Engine& engine() const { return *fb::GetEngine(plan.data()); }
  std::span<const std::byte> operator()(uint32_t index) const { return sections[index]; }
};

TEST(DeviceWeights, ArriveWhateverThePieces) {
  const Weights source;
  for (const uint32_t threads : {1u, 3u}) {
    for (const uint64_t piece : {4096u, 65536u, 1u << 20}) {
      test::ScriptedDevice device;
      uint64_t seen = 0, all = 0;
      auto weights = DeviceWeights::upload(*device.context, source.engine(), std::cref(source),
                                           {threads, piece, [&](uint64_t done, uint64_t total) {
                                              EXPECT_GE(done, seen);
                                              seen = done;
                                              all = total;
                                            }});
      ASSERT_TRUE(weights) << weights.status().toString();
      EXPECT_EQ(seen, 105'000u);
      EXPECT_EQ(all, 105'000u);
      ASSERT_EQ(weights->addresses().size(), 3u);
      EXPECT_EQ(weights->addresses()[2], weights->addresses()[0] + 4096);
      device.scripted.openMemory(true);
      EXPECT_EQ(std::memcmp(reinterpret_cast<void*>(weights->addresses()[0]), source.sections[0].data(), 100'000), 0);
      EXPECT_EQ(std::memcmp(reinterpret_cast<void*>(weights->addresses()[1]), source.sections[1].data() + 256, 4744),
                0);
      device.scripted.openMemory(false);
    }
  }
  EXPECT_EQ(DeviceWeights::bytesFor(source.engine(), std::cref(source)), 105'000u);
}

TEST(DeviceWeights, MadeUpOnesAreNumbersInEveryFormat) {
  const Weights source;
  test::ScriptedDevice device;
  UploadOptions options{.threads = 2, .pieceBytes = 4096};
  options.madeUp = true;
  auto weights = DeviceWeights::upload(*device.context, source.engine(), std::cref(source), options);
  ASSERT_TRUE(weights) << weights.status().toString();
  device.scripted.openMemory(true);
  const auto* bytes = reinterpret_cast<const uint8_t*>(weights->addresses()[0]);
  size_t negative = 0;
  for (size_t i = 0; i < 100'000; i += 4) {
    float pair = 0, one = 0;
    std::memcpy(&pair, bytes + i, 4);
    const uint32_t bits = uint32_t{bytes[i + 1]} << 24 | uint32_t{bytes[i]} << 16;  // as bf16
    std::memcpy(&one, &bits, 4);
    ASSERT_TRUE(std::abs(pair) >= 0x1p-7f && std::abs(pair) < 2) << i;
    ASSERT_TRUE(std::abs(one) >= 0x1p-7f && std::abs(one) < 2) << i;
    const uint32_t half = uint32_t{bytes[i + 1]} << 8 | bytes[i];
    ASSERT_EQ(half & 0x7c00u, 0x3c00u) << i;                                   // as f16: from 1 to 2
    for (size_t j = 0; j < 4; ++j) ASSERT_LT(bytes[i + j] & 0x7f, 0x40) << i;  // as e4m3: below 2, no NaN
    negative += one < 0;
  }
  device.scripted.openMemory(false);
  EXPECT_GT(negative, 10'000u);
  EXPECT_LT(negative, 15'000u);
}

TEST(DeviceWeights, AnyErrorEndsTheUpload) {
  const Weights source;
  test::ScriptedDriver scripted;
  for (const uint32_t threads : {1u, 3u}) {
    for (uint64_t call = 1; call < 60; ++call) {
      {
        test::ScriptedDevice device;
        device.scripted.script().failAt = device.scripted.script().calls + call;
        device.scripted.script().failCode = 2;
        auto weights = DeviceWeights::upload(*device.context, source.engine(), std::cref(source), {threads, 8192, {}});
        if (!weights) EXPECT_EQ(weights.status().code(), "CU_MEMORY");
        if (call < 10) EXPECT_FALSE(weights) << call;
      }
      EXPECT_EQ(scripted.alive(), 0u);
    }
  }
}

TEST(DeviceWeights, RefusalNamesTheWeights) {
  const Weights source;
  test::ScriptedDevice device;
  device.scripted.script().freeBytes = 50'000;
  auto weights = DeviceWeights::upload(*device.context, source.engine(), std::cref(source));
  ASSERT_FALSE(weights);
  EXPECT_NE(weights.status().message().find("97.7 KiB of device memory for the weights"), std::string::npos)
      << weights.status().message();
}

}  // namespace
}  // namespace llmc::rt::cuda
