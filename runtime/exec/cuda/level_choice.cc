// Cubins run on their generation only, those of an "a" architecture on exactly that one; PTX on it and all later ones.
#include "runtime/exec/cuda/level_choice.h"

#include <charconv>
#include <optional>
#include <string>

#include "runtime/format/cuda_abi.h"

namespace llmc::rt::cuda {
namespace {

/// 90 of "90" and of "90a"; nothing of what is no number.
std::optional<int> numberOf(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} ? std::optional(number) : std::nullopt;
}

/// What `llmc build` makes cubins for, ascending.
struct Buildable {
  std::string_view arch;
  int number;
};
constexpr Buildable kBuildable[] = {{"sm_80", 80},  {"sm_86", 86},    {"sm_89", 89},
                                    {"sm_90a", 90}, {"sm_100a", 100}, {"sm_120a", 120}};

/// How well a level fits: 0 not at all; cubins above PTX, newer above older, "90a" above "90".
int fit(std::string_view level, const DeviceFacts& facts) {
  constexpr int kCubin = 10'000;
  const int device = facts.major * 10 + facts.minor;
  const bool cubin = level.starts_with(kCubinLevel), ptx = level.starts_with(kPtxLevel);
  if (!cubin && !ptx) return 0;
  const std::string_view arch = level.substr(cubin ? kCubinLevel.size() : kPtxLevel.size());
  const auto number = numberOf(arch);
  if (!number || *number > device) return 0;
  const bool exact = arch.back() == 'a', family = arch.back() == 'f';
  if (exact && *number != device) return 0;
  if ((cubin || family) && *number / 10 != facts.major) return 0;
  return (cubin ? kCubin : 0) + *number * 2 + (exact ? 1 : 0);
}

}  // namespace

std::string_view archFor(int major, int minor) {
  std::string_view best;
  for (const Buildable& one : kBuildable)
    if (one.number <= major * 10 + minor) best = one.arch;
  return best;
}

Result<uint32_t> selectLevel(std::span<const std::string_view> levels, const DeviceFacts& facts,
                             std::string_view wanted) {
  uint32_t best = 0;
  int bestFit = 0;
  std::string names;
  for (uint32_t i = 0; i < levels.size(); ++i) {
    names += (i > 0 ? ", " : "") + escaped(levels[i]);
    const int fits = fit(levels[i], facts);
    if (fits <= bestFit || (!wanted.empty() && levels[i] != wanted)) continue;
    best = i;
    bestFit = fits;
  }
  if (bestFit > 0) return best;
  const std::string device = facts.name + " (sm_" + std::to_string(facts.major * 10 + facts.minor) + ")";
  if (!wanted.empty())
    return Status::error(ErrorKind::kMismatch, "CU_NO_CODE",
                         "LLMC_CUDA_LEVEL asks for '" + escaped(wanted) + "': the engine holds code for " + names +
                             ", the device is " + device);
  const std::string arch(archFor(facts.major, facts.minor));
  return Status::error(ErrorKind::kMismatch, "CU_NO_CODE",
                       "the engine holds code for " + names + ", none runs on " + device,
                       arch.empty() ? "this GPU is too old, " + std::string(kBuildable[0].arch) +
                                          " is the oldest that llmc builds for: build it with --target cpu"
                                    : "build it with --target cuda:" + arch);
}

}  // namespace llmc::rt::cuda
