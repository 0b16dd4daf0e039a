// Meaning of a plan, part one: model, KV geometry, levels, weights, kernels. Programs are checked in program_check.cc.
#include "runtime/format/semantic_check.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "runtime/base/checked.h"
#include "runtime/base/limits.h"
#include "runtime/format/cuda_check.h"
#include "runtime/format/kernel_abi.h"
#include "runtime/format/packed_code.h"
#include "runtime/format/program_check.h"
#include "runtime/format/section_table.h"

namespace llmc::rt {
namespace {

constexpr uint64_t kLineBytes = 64;  // a CPU weight starts on a cache line

Status outside(const std::string& path, uint64_t value, const std::string& rule, const char* code = "EN_SEMANTIC") {
  return engineError(code, path + " is " + std::to_string(value) + ", must be " + rule);
}

Status within(const char* path, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return Status::ok();
  return outside(path, value, std::to_string(low) + " to " + std::to_string(high));
}

Status checkTokenId(const std::string& path, int64_t id, int64_t lowest, uint32_t vocab) {
  if (id >= lowest && id < static_cast<int64_t>(vocab)) return Status::ok();
  return engineError("EN_SEMANTIC", path + " is " + std::to_string(id) + ", must be below the vocabulary size " +
                                        std::to_string(vocab));
}

Status checkModel(const fb::Model& model) {
  LLMC_TRY(within("model.vocab_size", model.vocab_size(), 1, limits::kVocab));
  LLMC_TRY(within("model.hidden_size", model.hidden_size(), 1, limits::kHidden));
  LLMC_TRY(within("model.layers", model.layers(), 1, limits::kLayers));
  LLMC_TRY(within("model.heads", model.heads(), 1, limits::kHeads));
  LLMC_TRY(within("model.kv_heads", model.kv_heads(), 1, model.heads()));
  LLMC_TRY(within("model.head_dim", model.head_dim(), 1, limits::kHeadDim));
  LLMC_TRY(within("model.max_positions", model.max_positions(), 1, limits::kPositions));
  LLMC_TRY(within("model.sliding_window", model.sliding_window(), 0, limits::kPositions));
  if (model.heads() % model.kv_heads() != 0)
    return outside("model.heads", model.heads(), "a multiple of model.kv_heads, " + std::to_string(model.kv_heads()));
  LLMC_TRY(checkTokenId("model.bos_id", model.bos_id(), -1, model.vocab_size()));
  if (model.eos_ids() != nullptr)
    for (uint32_t i = 0; i < model.eos_ids()->size(); ++i)
      LLMC_TRY(
          checkTokenId("model.eos_ids[" + std::to_string(i) + "]", model.eos_ids()->Get(i), 0, model.vocab_size()));
  return Status::ok();
}

/// No product here can wrap: checkModel has bounded every factor.
Status checkKv(const fb::KvSpec& kv, const fb::Model& model, bool cuda) {
  if (kv.page_tokens() != kPageTokens)
    return outside("kv.page_tokens", kv.page_tokens(), std::to_string(kPageTokens), "EN_PLAN");
  const bool bytes = kv.dtype() == fb::DType::I8 || (cuda && kv.dtype() == fb::DType::E4M3);
  const bool halves = kv.dtype() == fb::DType::F16 || (cuda && kv.dtype() == fb::DType::BF16);
  const bool words = !cuda && kv.dtype() == fb::DType::F32;
  if (!words && !halves && !bytes)
    return outside("kv.dtype", static_cast<uint64_t>(kv.dtype()),
                   cuda ? "F16 (1), BF16 (2), I8 (3) or E4M3 (7)" : "F32 (0), F16 (1) or I8 (3)", "EN_PLAN");
  // Bytes come with an f32 scale for each token and head.
  const uint64_t element = bytes ? 1 : words ? 4 : 2;
  uint64_t layer = 2 * kPageTokens * model.kv_heads() * (model.head_dim() * element + (bytes ? 4 : 0));
  if (kv.layer_bytes() != layer)
    return outside("kv.layer_bytes", kv.layer_bytes(), std::to_string(layer) + " for the model's kv heads", "EN_PLAN");
  if (kv.page_bytes() != layer * model.layers())
    return outside("kv.page_bytes", kv.page_bytes(), std::to_string(layer * model.layers()) + ", layers * layer_bytes",
                   "EN_PLAN");
  return Status::ok();
}

Status checkSection(const std::string& path, uint32_t index, SectionKind kind, std::span<const SectionEntry> sections) {
  if (index >= sections.size()) return outside(path, index, "below " + std::to_string(sections.size()));
  if (sections[index].kind != static_cast<uint32_t>(kind))
    return outside(path, index, "a section of kind " + std::to_string(static_cast<uint32_t>(kind)));
  return Status::ok();
}

/// A frame may unpack to more than memory holds: how much it is, is said where it can be checked before.
Status checkPacked(const std::string& path, const fb::Level& level, const SectionEntry& section, bool cuda) {
  const bool packed = (section.flags & kPacked) != 0;
  if (packed && !cuda) return engineError("EN_SEMANTIC", path + " is of a CPU, its code must not be packed");
  if (!packed)
    return level.plain_bytes() == 0 ? Status::ok() : outside(path + ".plain_bytes", level.plain_bytes(), "0");
  if (level.plain_bytes() >= 1 && level.plain_bytes() <= limits::kDeviceCodeBytes) return Status::ok();
  return outside(path + ".plain_bytes", level.plain_bytes(), "1 to " + std::to_string(limits::kDeviceCodeBytes));
}

Status checkLevels(const fb::Engine& plan, std::span<const SectionEntry> sections) {
  std::set<std::string_view> names;
  if (plan.levels()->size() == 0) return engineError("EN_SEMANTIC", "levels is empty");
  for (uint32_t i = 0; i < plan.levels()->size(); ++i) {
    const fb::Level& level = *plan.levels()->Get(i);
    std::string path = "levels[" + std::to_string(i) + "]";
    LLMC_TRY(checkSection(path + ".section", level.section(), SectionKind::kCode, sections));
    if (!names.insert(level.name()->string_view()).second)
      return engineError("EN_SEMANTIC", path + ".name '" + escaped(level.name()->string_view()) + "' is there twice");
    LLMC_TRY(checkPacked(path, level, sections[level.section()], isCuda(plan)));
    if (isCuda(plan)) LLMC_TRY(checkCudaLevel(path, level.name()->string_view()));
  }
  return Status::ok();
}

Status checkWeight(const std::string& path, const fb::Weight& weight, uint64_t alignment,
                   std::span<const SectionEntry> sections) {
  LLMC_TRY(checkSection(path + ".section", weight.section(), SectionKind::kWeights, sections));
  uint64_t end = sections[weight.section()].size;
  if (weight.offset() % alignment != 0)
    return outside(path + ".offset", weight.offset(), "a multiple of " + std::to_string(alignment));
  // Kernels read up to kWeightsTailBytes past a weight's end.
  if (end < kWeightsTailBytes || !rangeInside(weight.offset(), weight.size(), end - kWeightsTailBytes))
    return engineError("EN_SEMANTIC", path + " has offset " + std::to_string(weight.offset()) + " and size " +
                                          std::to_string(weight.size()) + ", its section ends at " +
                                          std::to_string(end) + " with a tail of " + std::to_string(kWeightsTailBytes));
  if (weight.size() == 0) return outside(path + ".size", 0, "at least 1");
  auto elements = checkedMul(weight.rows(), weight.cols());
  // The smallest element is half a byte.
  if (!elements || *elements == 0 || *elements / 2 > weight.size())
    return engineError("EN_SEMANTIC", path + " has " + std::to_string(weight.rows()) + " x " +
                                          std::to_string(weight.cols()) + " elements in " +
                                          std::to_string(weight.size()) + " bytes");
  if (weight.dtype() > fb::DType::MAX)
    return outside(path + ".dtype", static_cast<uint64_t>(weight.dtype()),
                   "at most " + std::to_string(static_cast<int>(fb::DType::MAX)));
  return Status::ok();
}

Status checkVariant(const std::string& path, const fb::Variant& variant, const fb::Engine& plan,
                    std::span<const SectionEntry> sections) {
  if (variant.code()->size() != plan.levels()->size())
    return outside(path + ".code.size", variant.code()->size(),
                   std::to_string(plan.levels()->size()) + ", the number of levels", "EN_CODE");
  for (uint32_t i = 0; i < variant.code()->size(); ++i) {
    const fb::CodeRange& range = *variant.code()->Get(i);
    const fb::Level& level = *plan.levels()->Get(i);
    uint64_t image = codeBytes(level, sections[level.section()]);
    if (range.size() == 0 || !rangeInside(range.offset(), range.size(), image))
      return engineError("EN_CODE", path + ".code[" + std::to_string(i) + "] has offset " +
                                        std::to_string(range.offset()) + " and size " + std::to_string(range.size()) +
                                        ", the image has " + std::to_string(image) + " bytes");
  }
  return isCuda(plan) ? checkCudaVariant(path, variant) : Status::ok();
}

Status checkKernel(const std::string& path, const fb::Kernel& kernel, const fb::Engine& plan,
                   std::span<const SectionEntry> sections) {
  if (kernel.dim() > fb::Dim::Row) return outside(path + ".dim", static_cast<uint64_t>(kernel.dim()), "0 or 1");
  LLMC_TRY(checkBounds(
      path + ".variants", kernel.variants()->size(), [&](uint32_t i) { return kernel.variants()->Get(i)->m_max(); },
      "m_max"));
  if (isCuda(plan) && kernel.args() > cuda::kMaxParameterBytes / 8)
    return outside(path + ".args", kernel.args(), "at most " + std::to_string(cuda::kMaxParameterBytes / 8));
  for (uint32_t i = 0; i < kernel.variants()->size(); ++i)
    LLMC_TRY(checkVariant(path + ".variants[" + std::to_string(i) + "]", *kernel.variants()->Get(i), plan, sections));
  return Status::ok();
}

}  // namespace

bool isAligned(const fb::Engine& plan) {
  return std::all_of(plan.programs()->begin(), plan.programs()->end(), [](const fb::Program* program) {
    return reinterpret_cast<uintptr_t>(program->region_bytes()->Data()) % alignof(uint64_t) == 0;
  });
}

Status checkPlan(const fb::Engine& plan, std::span<const SectionEntry> sections) {
  if (!isAligned(plan))
    return engineError("EN_VERIFY", "a program's region_bytes do not start at a multiple of 8 bytes");
  LLMC_TRY(checkTarget(plan));
  const uint32_t newest = isCuda(plan) ? cuda::kAbiVersion : kKernelAbiVersion;
  const uint32_t oldest = isCuda(plan) ? cuda::kOldestAbi : kOldestKernelAbi;
  if (plan.abi_version() < oldest || plan.abi_version() > newest)
    return Status::error(ErrorKind::kMismatch, "EN_VERSION",
                         "engine has kernels of ABI " + std::to_string(plan.abi_version()) +
                             ", this runtime calls ABI " + std::to_string(oldest) + " to " + std::to_string(newest),
                         "build the engine again with the llmc of this runtime");
  LLMC_TRY(checkModel(*plan.model()));
  LLMC_TRY(checkKv(*plan.kv(), *plan.model(), isCuda(plan)));
  LLMC_TRY(checkLevels(plan, sections));
  const uint64_t alignment = isCuda(plan) ? cuda::kWeightAlignment : kLineBytes;
  for (uint32_t i = 0; i < plan.weights()->size(); ++i)
    LLMC_TRY(checkWeight("weights[" + std::to_string(i) + "]", *plan.weights()->Get(i), alignment, sections));
  for (uint32_t i = 0; i < plan.kernels()->size(); ++i)
    LLMC_TRY(checkKernel("kernels[" + std::to_string(i) + "]", *plan.kernels()->Get(i), plan, sections));
  return checkPrograms(plan);
}

Status checkTogether(const fb::Engine& cpu, const fb::Engine& cuda) {
  if (isCuda(cpu) || !isCuda(cuda))
    return engineError("EN_SEMANTIC", "the targets of the plans are " + std::string(isCuda(cpu) ? "cuda" : "cpu") +
                                          " and " + (isCuda(cuda) ? "cuda" : "cpu") + ", must be cpu and cuda");
  const fb::Model &first = *cpu.model(), &second = *cuda.model();
  if (first.vocab_size() != second.vocab_size())
    return outside("model.vocab_size of the plan for cuda", second.vocab_size(),
                   std::to_string(first.vocab_size()) + " as in the plan for cpu");
  if (first.max_positions() != second.max_positions())
    return outside("model.max_positions of the plan for cuda", second.max_positions(),
                   std::to_string(first.max_positions()) + " as in the plan for cpu");
  return Status::ok();
}

}  // namespace llmc::rt
