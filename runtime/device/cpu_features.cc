// CPUID and XGETBV decoding, and the table from level names to features.
#include "runtime/device/cpu_features.h"

#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace llmc::rt {
namespace {

constexpr bool bit(uint64_t word, int index) { return (word >> index) & 1; }

struct FeatureName {
  std::string_view name;
  bool CpuFeatures::* member;
};
constexpr std::array<FeatureName, 6> kFeatureNames = {{{"v3", &CpuFeatures::v3},
                                                       {"avxvnni", &CpuFeatures::avxVnni},
                                                       {"v4", &CpuFeatures::v4},
                                                       {"avx512vnni", &CpuFeatures::avx512Vnni},
                                                       {"avx512bf16", &CpuFeatures::avx512Bf16},
                                                       {"avx512vp2intersect", &CpuFeatures::avx512Vp2Intersect}}};

uint64_t readXcr0() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

CpuidWords readCpuid() {
  CpuidWords words;
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return words;
  words.leaf1Ecx = ecx;
  constexpr int kOsxsave = 27;  // without it xgetbv itself faults
  if (bit(ecx, kOsxsave)) words.xcr0 = readXcr0();
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    words.leaf7Ebx = ebx;
    words.leaf7Ecx = ecx;
    words.leaf7Edx = edx;
    if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) words.leaf71Eax = eax;
  }
  return words;
}

std::string join(std::span<const std::string_view> names) {
  std::string text;
  for (auto name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

}  // namespace

CpuFeatures decodeCpuFeatures(const CpuidWords& w) {
  const bool ymmState = (w.xcr0 & 0x6) == 0x6;
  const bool zmmState = (w.xcr0 & 0xe6) == 0xe6;
  CpuFeatures f;
  f.v3 = ymmState && bit(w.leaf1Ecx, 12) && bit(w.leaf1Ecx, 28) && bit(w.leaf1Ecx, 29) && bit(w.leaf7Ebx, 5) &&
         bit(w.leaf7Ebx, 8);
  f.avxVnni = f.v3 && bit(w.leaf71Eax, 4);
  f.v4 = f.v3 && zmmState && bit(w.leaf7Ebx, 16) && bit(w.leaf7Ebx, 17) && bit(w.leaf7Ebx, 28) && bit(w.leaf7Ebx, 30) &&
         bit(w.leaf7Ebx, 31);
  f.avx512Vnni = f.v4 && bit(w.leaf7Ecx, 11);
  f.avx512Bf16 = f.v4 && bit(w.leaf71Eax, 5);
  f.avx512Vp2Intersect = f.v4 && bit(w.leaf7Edx, 8);
  return f;
}

namespace {

/// What each level's code uses; the names are the compiler's.
struct LevelNeeds {
  std::string_view name;
  bool avxVnni, v4, avx512Vnni, avx512Bf16, avx512Vp2Intersect;
};
constexpr std::array<LevelNeeds, 6> kLevels = {{{"x86-64-v3", false, false, false, false, false},
                                                {"x86-64-v3-avxvnni", true, false, false, false, false},
                                                {"x86-64-v4", false, true, false, false, false},
                                                {"x86-64-v4-vnni", false, true, true, false, false},
                                                {"x86-64-v4-vnni-bf16", false, true, true, true, false},
                                                {"x86-64-v4-vnni-bf16-vp2intersect", false, true, true, true, true}}};

/// The words of a list with commas; an empty list has none.
std::vector<std::string_view> wordsOf(std::string_view list) {
  std::vector<std::string_view> words;
  while (!list.empty()) {
    const auto comma = list.find(',');
    words.push_back(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return words;
}

Status unknownName(const char* variable, std::string_view found, std::span<const std::string_view> known) {
  return Status::error(ErrorKind::kUsage, "CPU_ENVIRONMENT",
                       std::string(variable) + " does not know '" + escaped(found) + "'", "expected " + join(known));
}

}  // namespace

CpuFeatures restrictFeatures(CpuFeatures features, std::string_view list) {
  CpuFeatures kept;
  for (const auto word : wordsOf(list))
    for (const auto& [name, member] : kFeatureNames)
      if (word == name) kept.*member = features.*member;
  return kept;
}

CpuFeatures detectCpuFeatures() {
  CpuFeatures features = decodeCpuFeatures(readCpuid());
  if (const char* list = std::getenv("LLMC_CPU_FEATURES")) return restrictFeatures(features, list);
  return features;
}

std::string CpuFeatures::toString() const {
  std::string text;
  for (const auto& [name, member] : kFeatureNames)
    if (this->*member) text += (text.empty() ? "" : " ") + std::string(name);
  return text.empty() ? "none of v3, avxvnni, v4, avx512vnni, avx512bf16, avx512vp2intersect" : text;
}

std::string cpuBrand() {
  uint32_t words[13] = {};
  uint32_t unused;
  if (!__get_cpuid(0x80000000u, &words[0], &unused, &unused, &unused) || words[0] < 0x80000004u) return "unknown CPU";
  for (uint32_t i = 0; i < 3; ++i)
    __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
  words[12] = 0;
  std::string brand(reinterpret_cast<const char*>(words));
  const auto first = brand.find_first_not_of(' ');
  if (first == std::string::npos) return "unknown CPU";
  return brand.substr(first, brand.find_last_not_of(' ') - first + 1);
}

bool supportsLevel(std::string_view level, const CpuFeatures& f) {
  for (const LevelNeeds& needs : kLevels)
    if (level == needs.name)
      return f.v3 && (!needs.avxVnni || f.avxVnni) && (!needs.v4 || f.v4) && (!needs.avx512Vnni || f.avx512Vnni) &&
             (!needs.avx512Bf16 || f.avx512Bf16) && (!needs.avx512Vp2Intersect || f.avx512Vp2Intersect);
  return false;
}

Status checkCpuEnvironment() {
  std::vector<std::string_view> known = {"none"};
  for (const auto& feature : kFeatureNames) known.push_back(feature.name);
  if (const char* list = std::getenv("LLMC_CPU_FEATURES"))
    for (const auto word : wordsOf(list))
      if (std::find(known.begin(), known.end(), word) == known.end())
        return unknownName("LLMC_CPU_FEATURES", word, known);
  known.clear();
  for (const LevelNeeds& level : kLevels) known.push_back(level.name);
  const std::string_view level = levelOverride();
  if (!level.empty() && std::find(known.begin(), known.end(), level) == known.end())
    return unknownName("LLMC_CPU_LEVEL", level, known);
  return Status::ok();
}

std::string_view levelOverride() {
  const char* value = std::getenv("LLMC_CPU_LEVEL");
  return value ? std::string_view(value) : std::string_view{};
}

Result<size_t> selectLevel(std::span<const std::string_view> levels, const CpuFeatures& features,
                           std::string_view wanted) {
  const std::string facts = "engine has " + join(levels) + "; this CPU has " + features.toString();
  for (size_t i = levels.size(); i-- > 0;) {
    if (!wanted.empty() && levels[i] != wanted) continue;
    if (supportsLevel(levels[i], features)) return i;
  }
  if (!wanted.empty())
    return Status::error(ErrorKind::kMismatch, "EN_CPU_ARCH",
                         "level " + escaped(wanted) + " of LLMC_CPU_LEVEL cannot be used: " + facts,
                         "unset LLMC_CPU_LEVEL");
  return Status::error(ErrorKind::kMismatch, "EN_CPU_ARCH", "no code in this engine runs on this CPU: " + facts,
                       "build the engine with --cpu-levels all, or use a CPU with AVX2, FMA, F16C and BMI2");
}

}  // namespace llmc::rt
