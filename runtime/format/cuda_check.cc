// Launches bounded for every step within the limits, names a driver can be given, programs that cover all steps.
#include "runtime/format/cuda_check.h"

#include <algorithm>
#include <utility>

#include "runtime/base/limits.h"
#include "runtime/format/device_code_check.h"
#include "runtime/format/section_table.h"

namespace llmc::rt {
namespace {

Status wrong(const char* code, const std::string& path, uint64_t value, const std::string& rule) {
  return engineError(code, path + " is " + std::to_string(value) + ", must be " + rule);
}

std::string at(const std::string& path, const char* field, uint32_t index) {
  return path + "." + field + "[" + std::to_string(index) + "]";
}

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool isPtx(std::string_view level) { return level.starts_with(cuda::kPtxLevel); }

cuda::GridDim dimOf(const fb::GridDim& dim) {
  return {dim.base(), dim.t_tile(), dim.t_count(), dim.s_tile(), dim.s_count(), dim.seq_count()};
}

Status checkGrid(const std::string& path, const fb::LaunchShape& launch) {
  constexpr uint32_t kDims = 3;
  if (launch.grid()->size() != kDims) return wrong("EN_CODE", path + ".grid.size", launch.grid()->size(), "3");
  for (uint32_t i = 0; i < kDims; ++i) {
    const uint64_t most = i == 0 ? cuda::kMaxGridX : cuda::kMaxGridYZ;
    const uint64_t step = cuda::kMaxStepTokens;
    const uint64_t count = cuda::blocks(dimOf(*launch.grid()->Get(i)), step, step, step);
    if (count > most)
      return engineError("EN_CODE", at(path, "grid", i) + " makes " + std::to_string(count) + " blocks of a step of " +
                                        std::to_string(step) + " tokens, must make at most " + std::to_string(most));
  }
  return Status::ok();
}

/// Every term of x makes whole clusters, so that any step does.
Status checkClusters(const std::string& path, const fb::LaunchShape& launch) {
  const uint32_t cluster = launch.cluster();
  if (cluster <= 1) return Status::ok();
  const fb::GridDim& x = *launch.grid()->Get(0);
  for (const uint32_t count : {x.base(), x.t_count(), x.s_count(), x.seq_count()})
    if (count % cluster != 0)
      return wrong("EN_CODE", at(path, "grid", 0), count, "blocks in whole clusters of " + std::to_string(cluster));
  return Status::ok();
}

Status checkLaunchShape(const std::string& path, const fb::LaunchShape& launch) {
  if (launch.threads() < cuda::kMinThreads || launch.threads() > cuda::kMaxThreads || launch.threads() % 32 != 0)
    return wrong("EN_CODE", path + ".threads", launch.threads(), "a multiple of 32 from 32 to 1024");
  if (launch.shared_bytes() > cuda::kMaxSharedBytes)
    return wrong("EN_CODE", path + ".shared_bytes", launch.shared_bytes(),
                 "at most " + std::to_string(cuda::kMaxSharedBytes));
  if (launch.static_shared_bytes() > cuda::kMaxSharedBytes - launch.shared_bytes())
    return wrong("EN_CODE", path + ".static_shared_bytes", launch.static_shared_bytes(),
                 "at most " + std::to_string(cuda::kMaxSharedBytes) + " with shared_bytes");
  if (launch.blocks_per_sm() > cuda::kMaxBlocksPerSm)
    return wrong("EN_CODE", path + ".blocks_per_sm", launch.blocks_per_sm(),
                 "at most " + std::to_string(cuda::kMaxBlocksPerSm));
  if (launch.cluster() > cuda::kMaxCluster)
    return wrong("EN_CODE", path + ".cluster", launch.cluster(), "at most " + std::to_string(cuda::kMaxCluster));
  LLMC_TRY(checkGrid(path, launch));
  return checkClusters(path, launch);
}

/// Of a level that checkCudaLevel() has seen.
uint32_t numberOf(std::string_view architecture) {
  uint32_t number = 0;
  for (const char c : architecture)
    if (digit(c)) number = number * 10 + static_cast<uint32_t>(c - '0');
  return number;
}

/// 0, any, sorts last.
uint64_t asBound(uint32_t most) { return most == 0 ? UINT64_MAX : most; }

}  // namespace

bool isCuda(const fb::Engine& plan) {
  return plan.target() != nullptr && plan.target()->string_view() == cuda::kTarget;
}

Status checkTarget(const fb::Engine& plan) {
  if (plan.target() == nullptr || plan.target()->string_view() == "cpu" || isCuda(plan)) return Status::ok();
  return engineError("EN_SEMANTIC",
                     "target is '" + escaped(plan.target()->string_view()) + "', must be 'cpu' or 'cuda'");
}

Status checkCudaLevel(const std::string& path, std::string_view name) {
  std::string_view rest = name;
  if (isPtx(name))
    rest.remove_prefix(cuda::kPtxLevel.size());
  else if (name.starts_with(cuda::kCubinLevel))
    rest.remove_prefix(cuda::kCubinLevel.size());
  else
    rest = {};
  const size_t digits = std::ranges::find_if_not(rest, digit) - rest.begin();
  const bool suffix = rest.size() == digits + 1 && rest.back() >= 'a' && rest.back() <= 'z' && !isPtx(name);
  if ((digits == 2 || digits == 3) && (rest.size() == digits || suffix)) return Status::ok();
  return engineError("EN_SEMANTIC", path + ".name is '" + escaped(name) +
                                        "', must be an architecture like 'cuda:sm_90a' or 'cuda:compute_90'");
}

Status checkCudaVariant(const std::string& path, const fb::Variant& variant) {
  const std::string_view symbol = variant.symbol() == nullptr ? std::string_view() : variant.symbol()->string_view();
  if (symbol.empty() || symbol.size() > limits::kKernelSymbolBytes || !letter(symbol[0]) ||
      !std::ranges::all_of(symbol, [](char c) { return letter(c) || digit(c); }))
    return engineError("EN_CODE", path + ".symbol is '" + escaped(symbol) + "', must be a C name of at most " +
                                      std::to_string(limits::kKernelSymbolBytes) + " bytes");
  for (uint32_t i = 0; i < variant.code()->size(); ++i) {
    const fb::LaunchShape* launch = variant.code()->Get(i)->launch();
    if (launch == nullptr) return engineError("EN_CODE", at(path, "code", i) + ".launch is missing");
    LLMC_TRY(checkLaunchShape(at(path, "code", i) + ".launch", *launch));
  }
  return Status::ok();
}

Status checkCudaPrograms(const fb::Engine& plan) {
  if (plan.programs()->size() == 0) return engineError("EN_SEMANTIC", "programs is empty");
  std::pair<uint64_t, uint64_t> previous = {0, 0};
  for (uint32_t i = 0; i < plan.programs()->size(); ++i) {
    const fb::Program& program = *plan.programs()->Get(i);
    const std::string path = "programs[" + std::to_string(i) + "]";
    for (auto [field, value] : {std::pair{".q_max", program.q_max()}, std::pair{".t_max", program.t_max()}})
      if (value > cuda::kMaxStepTokens)
        return wrong("EN_SEMANTIC", path + field, value, "at most " + std::to_string(cuda::kMaxStepTokens));
    const std::pair bounds = {asBound(program.q_max()), asBound(program.t_max())};
    if (bounds <= previous)
      return engineError("EN_SEMANTIC", path + " has q_max " + std::to_string(program.q_max()) + " and t_max " +
                                            std::to_string(program.t_max()) +
                                            ", must take more than the program before it");
    previous = bounds;
  }
  if (previous == std::pair<uint64_t, uint64_t>{UINT64_MAX, UINT64_MAX}) return Status::ok();
  return engineError("EN_SEMANTIC", "programs[" + std::to_string(plan.programs()->size() - 1) +
                                        "] must take any step, with q_max 0 and t_max 0");
}

Status checkCudaCode(const fb::Engine& plan, uint32_t level, std::string_view code) {
  const std::string_view name = plan.levels()->Get(level)->name()->string_view();
  const bool ptx = isPtx(name);
  const uint32_t architecture = numberOf(name.substr((ptx ? cuda::kPtxLevel : cuda::kCubinLevel).size()));
  for (uint32_t k = 0; k < plan.kernels()->size(); ++k) {
    const fb::Kernel& kernel = *plan.kernels()->Get(k);
    for (uint32_t v = 0; v < kernel.variants()->size(); ++v) {
      const fb::Variant& variant = *kernel.variants()->Get(v);
      const fb::CodeRange& range = *variant.code()->Get(level);
      const std::string_view bytes = code.substr(range.offset(), range.size());
      const DeviceKernel wanted{architecture, variant.symbol()->string_view(), uint64_t{8} * kernel.args()};
      if (std::string fault = ptx ? ptxFault(bytes, wanted) : cubinFault(bytes, wanted); !fault.empty())
        return engineError("EN_CODE",
                           at(at("kernels[" + std::to_string(k) + "]", "variants", v), "code", level) + fault);
    }
  }
  return Status::ok();
}

}  // namespace llmc::rt
