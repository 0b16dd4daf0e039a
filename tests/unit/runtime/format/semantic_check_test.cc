// Hostile model, KV, level, weight and kernel tables: each field set to each wrong value, digests made to match.
#include "runtime/format/semantic_check.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "runtime/base/limits.h"
#include "runtime/format/engine_reader.h"
#include "runtime/format/kernel_abi.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

Status statusWith(const std::function<void(fb::EngineT&)>& edit) {
  fb::EngineT plan = test::tinyPlan();
  edit(plan);
  test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
  return checkFile(tiny.path());
}

void refused(const char* code, const char* path, const std::function<void(fb::EngineT&)>& edit) {
  Status status = statusWith(edit);
  ASSERT_FALSE(status) << path;
  EXPECT_EQ(status.code(), code) << status.message();
  // After the file's name.
  EXPECT_TRUE(status.message().substr(status.message().find("': ") + 3).starts_with(path)) << status.message();
}

TEST(SemanticCheck, UneditedPlanIsAccepted) {
  Status status = statusWith([](fb::EngineT&) {});
  EXPECT_TRUE(status) << status.toString();
}

TEST(SemanticCheck, OtherAbi) {
  Status status = statusWith([](fb::EngineT& p) { p.abi_version = 99; });
  EXPECT_EQ(status.code(), "EN_VERSION");
  EXPECT_EQ(exitStatus(status.kind()), 78);
  EXPECT_EQ(statusWith([](fb::EngineT& p) { p.abi_version = 0; }).code(), "EN_VERSION");
  EXPECT_TRUE(statusWith([](fb::EngineT& p) { p.abi_version = kOldestKernelAbi; }));
}

TEST(SemanticCheck, Model) {
  for (uint32_t bad : {0u, kMax32}) {
    refused("EN_SEMANTIC", "model.vocab_size", [&](auto& p) { p.model->vocab_size = bad; });
    refused("EN_SEMANTIC", "model.hidden_size", [&](auto& p) { p.model->hidden_size = bad; });
    refused("EN_SEMANTIC", "model.layers", [&](auto& p) { p.model->layers = bad; });
    refused("EN_SEMANTIC", "model.heads", [&](auto& p) { p.model->heads = bad; });
    refused("EN_SEMANTIC", "model.kv_heads", [&](auto& p) { p.model->kv_heads = bad; });
    refused("EN_SEMANTIC", "model.head_dim", [&](auto& p) { p.model->head_dim = bad; });
    refused("EN_SEMANTIC", "model.max_positions", [&](auto& p) { p.model->max_positions = bad; });
  }
  refused("EN_SEMANTIC", "model.sliding_window", [](auto& p) { p.model->sliding_window = kMax32; });
  refused("EN_SEMANTIC", "model.heads", [](auto& p) { p.model->heads = 5; });
  refused("EN_SEMANTIC", "model.bos_id", [](auto& p) { p.model->bos_id = 32; });
  refused("EN_SEMANTIC", "model.bos_id", [](auto& p) { p.model->bos_id = -2; });
  refused("EN_SEMANTIC", "model.eos_ids[1]", [](auto& p) { p.model->eos_ids[1] = 32; });
  refused("EN_SEMANTIC", "model.eos_ids[0]", [](auto& p) { p.model->eos_ids[0] = -1; });
}

TEST(SemanticCheck, KvGeometry) {
  for (uint32_t bad : {0u, 1u, 17u, kMax32})
    refused("EN_PLAN", "kv.page_tokens", [&](auto& p) { p.kv->page_tokens = bad; });
  for (uint64_t bad : {uint64_t{0}, uint64_t{64}, kMax64}) {
    refused("EN_PLAN", "kv.layer_bytes", [&](auto& p) { p.kv->layer_bytes = bad; });
    refused("EN_PLAN", "kv.page_bytes", [&](auto& p) { p.kv->page_bytes = bad; });
  }
  refused("EN_PLAN", "kv.dtype", [](auto& p) { p.kv->dtype = fb::DType::I4; });
  refused("EN_PLAN", "kv.dtype", [](auto& p) { p.kv->dtype = fb::DType::E4M3; });  // for CUDA
  refused("EN_PLAN", "kv.dtype", [](auto& p) { p.kv->dtype = fb::DType::BF16; });
  refused("EN_PLAN", "kv.layer_bytes", [](auto& p) { p.kv->dtype = fb::DType::I8; });
  refused("EN_PLAN", "kv.layer_bytes", [](auto& p) { p.kv->dtype = fb::DType::F32; });
  refused("EN_PLAN", "kv.dtype", [](auto& p) { p.kv->dtype = static_cast<fb::DType>(200); });
}

TEST(SemanticCheck, Levels) {
  refused("EN_SEMANTIC", "levels", [](auto& p) { p.levels.clear(); });
  for (uint32_t bad : {uint32_t{test::kTinyPlan}, uint32_t{test::kTinyWeights}, 6u, kMax32})
    refused("EN_SEMANTIC", "levels[1].section", [&](auto& p) { p.levels[1]->section = bad; });
  refused("EN_SEMANTIC", "levels[1].name", [](auto& p) { p.levels[1]->name = p.levels[0]->name; });
}

TEST(SemanticCheck, Weights) {
  for (uint32_t bad : {uint32_t{test::kTinyCode0}, 6u, kMax32})
    refused("EN_SEMANTIC", "weights[0].section", [&](auto& p) { p.weights[0]->section = bad; });
  refused("EN_SEMANTIC", "weights[0].offset", [](auto& p) { p.weights[0]->offset = 32; });
  for (uint64_t bad : {uint64_t{768}, uint64_t{1} << 40, kMax64 - 63}) {
    refused("EN_SEMANTIC", "weights[1] has offset", [&](auto& p) { p.weights[1]->offset = bad; });
    refused("EN_SEMANTIC", "weights[1] has offset", [&](auto& p) { p.weights[1]->size = bad; });
  }
  refused("EN_SEMANTIC", "weights[1] has offset", [](auto& p) { p.weights[1]->size = 257; });  // reaches into the tail
  refused("EN_SEMANTIC", "weights[1].size", [](auto& p) { p.weights[1]->size = 0; });
  for (uint64_t bad : {uint64_t{0}, uint64_t{1} << 32, uint64_t{1} << 63, kMax64})
    refused("EN_SEMANTIC", "weights[0] has ",
            [&](auto& p) { p.weights[0]->rows = bad, p.weights[0]->cols = uint64_t{1} << 32; });
  refused("EN_SEMANTIC", "weights[0].dtype", [](auto& p) { p.weights[0]->dtype = static_cast<fb::DType>(8); });
}

TEST(SemanticCheck, WeightsNeedTheirTail) {
  auto sections = test::tinySections(test::tinyPlan());
  sections[test::kTinyWeights].bytes.resize(768 + kWeightsTailBytes - 1);
  EXPECT_EQ(checkFile(test::TemporaryFile(test::assemble(sections)).path()).code(), "EN_SEMANTIC");
  sections[test::kTinyWeights].bytes.resize(100);
  EXPECT_EQ(checkFile(test::TemporaryFile(test::assemble(sections)).path()).code(), "EN_SEMANTIC");
}

TEST(SemanticCheck, Kernels) {
  refused("EN_SEMANTIC", "kernels[1].dim", [](auto& p) { p.kernels[1]->dim = static_cast<fb::Dim>(2); });
  refused("EN_SEMANTIC", "kernels[0].variants", [](auto& p) { p.kernels[0]->variants.clear(); });
  refused("EN_SEMANTIC", "kernels[0].variants[0].m_max", [](auto& p) { p.kernels[0]->variants[0]->m_max = 0; });
  refused("EN_SEMANTIC", "kernels[0].variants[0].m_max", [](auto& p) { p.kernels[0]->variants[0]->m_max = kMax32; });
  refused("EN_SEMANTIC", "kernels[0].variants[1].m_max", [](auto& p) { p.kernels[0]->variants[1]->m_max = 64; });
}

TEST(SemanticCheck, CodeRanges) {
  refused("EN_CODE", "kernels[0].variants[0].code.size", [](auto& p) { p.kernels[0]->variants[0]->code.pop_back(); });
  refused("EN_CODE", "kernels[0].variants[1].code[1]", [](auto& p) { p.kernels[0]->variants[1]->code[1]->size = 0; });
  for (uint64_t bad : {uint64_t{136}, uint64_t{4096}, kMax64, kMax64 - 15}) {
    refused("EN_CODE", "kernels[1].variants[1].code[1]",
            [&](auto& p) { p.kernels[1]->variants[1]->code[1]->offset = bad; });
    refused("EN_CODE", "kernels[1].variants[1].code[0]",
            [&](auto& p) { p.kernels[1]->variants[1]->code[0]->size = bad; });
  }
}

// FlatBuffers' verifier lets this pass: it asks where the length of a vector lies, not its elements.
TEST(SemanticCheck, SixtyFourBitNumbersAtFourBytesAreRefused) {
  const std::string packed = test::packPlan(test::tinyPlan());
  std::vector<uint64_t> room(packed.size() / 8 + 2);
  auto* bytes = reinterpret_cast<char*>(room.data());
  std::memcpy(bytes, packed.data(), packed.size());
  EXPECT_TRUE(isAligned(*fb::GetEngine(bytes)));
  std::memcpy(bytes + 4, packed.data(), packed.size());
  EXPECT_FALSE(isAligned(*fb::GetEngine(bytes + 4)));
  EXPECT_EQ(checkPlan(*fb::GetEngine(bytes + 4), {}).code(), "EN_VERIFY");
}

}  // namespace
}  // namespace llmc::rt
