// Cubins run on their generation only, those of an "a" architecture on exactly that one; PTX on it and all later ones.
// Devices of one generation differ in shared memory: 163 KiB a block on sm_80, 99 KiB on sm_86.
#include "runtime/exec/cuda/level_choice.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "runtime/device/memory.h"
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

/// How well a level's architecture fits: 0 not at all; cubins above PTX, newer above older, "90a" above "90".
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

/// The newest that is no newer than the device; null: the device is older than all.
const Buildable* buildableFor(int major, int minor) {
  const Buildable* best = nullptr;
  for (const Buildable& one : kBuildable)
    if (one.number <= major * 10 + minor) best = &one;
  return best;
}

std::string deviceName(const DeviceFacts& facts) {
  return facts.name + " (sm_" + std::to_string(facts.major * 10 + facts.minor) + ")";
}

std::string namesOf(std::span<const CodeLevel> levels) {
  std::string names;
  for (const CodeLevel& level : levels) names += (names.empty() ? "" : ", ") + escaped(level.name);
  return names;
}

/// The level that llmc would make for the device; empty where there is none, or the engine has it already. A cubin of
/// another device of the generation counts only with its PTX beside it, which an engine has of its last architecture.
std::string missingLevel(const DeviceFacts& facts, std::span<const CodeLevel> levels) {
  const Buildable* const own = buildableFor(facts.major, facts.minor);
  if (!own) return {};
  const auto isThere = [&](std::string_view name) {
    return std::ranges::any_of(levels, [&](const CodeLevel& one) { return one.name == name; });
  };
  const std::string level = std::string(kTarget) + ":" + std::string(own->arch);
  const std::string ptx = std::string(kPtxLevel) + std::to_string(own->number);
  return isThere(level) && (fit(level, facts) > 0 || isThere(ptx)) ? std::string() : level;
}

std::string buildFor(const DeviceFacts& facts, std::span<const CodeLevel> levels) {
  if (!buildableFor(facts.major, facts.minor))
    return "this GPU is too old, " + std::string(kBuildable[0].arch) +
           " is the oldest that llmc builds for: build it with --target cpu";
  const std::string level = missingLevel(facts, levels);
  return "build it with --target " + (level.empty() ? "cpu" : level);
}

/// "cuda:sm_80 needs 153.0 KiB, cuda:compute_80 92.0 KiB of shared memory a block, X (sm_86) has 99.0 KiB".
std::string needsOf(std::span<const CodeLevel> levels, const DeviceFacts& facts) {
  std::string text;
  for (const CodeLevel& level : levels)
    text += (text.empty() ? "" : ", ") + escaped(level.name) + (text.empty() ? " needs " : " ") +
            formatBytes(level.sharedBytes);
  return text + " of shared memory a block, " + deviceName(facts) + " has " + formatBytes(facts.sharedBytes);
}

/// Whether `llmc build` can make a cubin for the device, and what to ask it for.
std::string cubinAdvice(const DeviceFacts& facts, std::span<const CodeLevel> levels) {
  const std::string own = missingLevel(facts, levels);
  if (own.empty()) return "; llmc makes no cubin for it";
  if (fit(own, facts) == 0) return "; llmc makes no cubin for it, but --target " + own + " makes later PTX";
  return "; --target " + own + " makes code for it";
}

/// Why `chosen` runs: what the levels that would be better lack, or that all cubins are for other devices.
std::string reasonFor(std::span<const CodeLevel> levels, const DeviceFacts& facts, uint32_t chosen) {
  std::vector<CodeLevel> better, cubins;
  for (const CodeLevel& level : levels) {
    if (fit(level.name, facts) > fit(levels[chosen].name, facts)) better.push_back(level);
    if (level.name.starts_with(kCubinLevel)) cubins.push_back(level);
  }
  if (!better.empty()) {
    const std::string own = missingLevel(facts, levels);
    return needsOf(better, facts) + (own.empty() ? "" : "; --target " + own + " makes code for it");
  }
  if (!levels[chosen].name.starts_with(kPtxLevel)) return {};
  return "no cubin of the engine" + (cubins.empty() ? "" : " (" + namesOf(cubins) + ")") + " is for " +
         deviceName(facts) + cubinAdvice(facts, levels);
}

/// Why no level runs on the device.
Status noLevel(std::span<const CodeLevel> levels, const DeviceFacts& facts, std::string_view wanted) {
  const std::string asked = wanted.empty() ? "" : "LLMC_CUDA_LEVEL asks for '" + escaped(wanted) + "': ";
  std::vector<CodeLevel> large;
  for (const CodeLevel& level : levels)
    if (fit(level.name, facts) > 0 && (wanted.empty() || level.name == wanted)) large.push_back(level);
  if (!large.empty())
    return Status::error(
        ErrorKind::kMismatch, "CU_SHARED",
        asked + needsOf(large, facts) + (wanted.empty() ? "; the engine holds code for " + namesOf(levels) : ""),
        wanted.empty() ? buildFor(facts, levels) : "");
  if (!wanted.empty())
    return Status::error(
        ErrorKind::kMismatch, "CU_NO_CODE",
        asked + "the engine holds code for " + namesOf(levels) + ", the device is " + deviceName(facts));
  return Status::error(ErrorKind::kMismatch, "CU_NO_CODE",
                       "the engine holds code for " + namesOf(levels) + ", none runs on " + deviceName(facts),
                       buildFor(facts, levels));
}

}  // namespace

std::string_view archFor(int major, int minor) {
  const Buildable* const own = buildableFor(major, minor);
  return own ? own->arch : std::string_view{};
}

Status checkDriverVersion(int version) {
  if (version >= kDriverVersion) return Status::ok();
  return Status::error(ErrorKind::kUnavailable, "CU_OLD_DRIVER",
                       "the CUDA driver is one for CUDA " + versionText(version) +
                           ", the engine's code needs one for " + versionText(kDriverVersion) + " or later",
                       "install the NVIDIA driver, " + std::to_string(kDriverBranch) + " or later");
}

std::vector<CodeLevel> codeLevels(const fb::Engine& plan) {
  std::vector<CodeLevel> levels;
  for (uint32_t i = 0; i < plan.levels()->size(); ++i) {
    CodeLevel& level = levels.emplace_back(CodeLevel{plan.levels()->Get(i)->name()->string_view()});
    for (const fb::Kernel* kernel : *plan.kernels())
      for (const fb::Variant* variant : *kernel->variants())
        if (const fb::LaunchShape* launch = variant->code()->Get(i)->launch())
          level.sharedBytes =
              std::max(level.sharedBytes, uint64_t{launch->shared_bytes()} + launch->static_shared_bytes());
  }
  return levels;
}

Result<LevelChoice> selectLevel(std::span<const CodeLevel> levels, const DeviceFacts& facts, std::string_view wanted) {
  LevelChoice choice;
  int bestFit = 0;
  for (uint32_t i = 0; i < levels.size(); ++i) {
    const int fits = fit(levels[i].name, facts);
    if (fits <= bestFit || (!wanted.empty() && levels[i].name != wanted)) continue;
    if (levels[i].sharedBytes > facts.sharedBytes) continue;
    choice.index = i;
    bestFit = fits;
  }
  if (bestFit == 0) return noLevel(levels, facts, wanted);
  choice.compiles = levels[choice.index].name.starts_with(kPtxLevel);
  if (wanted.empty())
    choice.reason = reasonFor(levels, facts, choice.index);
  else if (choice.compiles)
    choice.reason = "LLMC_CUDA_LEVEL asks for it";
  return choice;
}

std::string loadedNotice(std::string_view name, const LevelChoice& choice, double loadSeconds) {
  if (choice.reason.empty()) return {};
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.2f s", loadSeconds);
  return "runs " + escaped(name) +
         (choice.compiles ? ", which the driver compiled in " + std::string(seconds) : std::string()) + ": " +
         choice.reason;
}

}  // namespace llmc::rt::cuda
