// What this CPU and its OS can run, and which of an engine's instruction-set levels that allows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Registers of CPUID and XGETBV that decide a level. Separate from CpuFeatures so that tests can invent machines.
struct CpuidWords {
  uint32_t leaf1Ecx = 0;   ///< leaf 1: FMA, OSXSAVE, AVX, F16C
  uint32_t leaf7Ebx = 0;   ///< leaf 7.0: AVX2, BMI2, AVX-512 F/DQ/CD/BW/VL
  uint32_t leaf7Ecx = 0;   ///< leaf 7.0: AVX512_VNNI
  uint32_t leaf71Eax = 0;  ///< leaf 7.1: AVX-VNNI, AVX512_BF16
  uint64_t xcr0 = 0;       ///< state that the OS saves: bits 1,2 = xmm, ymm; 5,6,7 = opmask, zmm
  uint32_t leaf7Edx = 0;   ///< leaf 7.0: AVX512_VP2INTERSECT
};

/// Groups of instructions that the levels are made of. Each is false unless CPU and OS both support it.
struct CpuFeatures {
  bool v3 = false;       ///< AVX2, FMA, F16C, BMI2
  bool avxVnni = false;  ///< VEX-coded vpdpbusd
  bool v4 = false;       ///< AVX-512 F, BW, VL, DQ, CD with zmm state
  bool avx512Vnni = false;
  bool avx512Bf16 = false;
  bool avx512Vp2Intersect = false;  ///< no code uses it: with the others it tells a Zen 5

  /// "v3 avxvnni v4 avx512vnni avx512bf16 avx512vp2intersect", or "none of ...": for messages.
  std::string toString() const;
};

/// Features named by raw CPUID words. Pure.
CpuFeatures decodeCpuFeatures(const CpuidWords& words);

/// Features of this machine. The environment variable LLMC_CPU_FEATURES ("none" or a list such as "v3,avxvnni") keeps
/// only the named ones: a way to test other machines that can never enable what is not there.
CpuFeatures detectCpuFeatures();

/// `features` cut down to those named in `list` (comma separated).
CpuFeatures restrictFeatures(CpuFeatures features, std::string_view list);

/// Brand string of the CPU ("AMD EPYC 9354 32-Core Processor"); "unknown CPU" when it has none.
std::string cpuBrand();

/// True when code of `level` ("x86-64-v4-vnni", ...) runs on `features`; unknown names are never supported.
bool supportsLevel(std::string_view level, const CpuFeatures& features);

/// Index of the last supported name of `levels` (an engine lists them ascending). `wanted` (LLMC_CPU_LEVEL), when not
/// empty, must be one of them and supported. Error EN_CPU_ARCH (exit 78) names the engine's levels and the machine's
/// features.
Result<size_t> selectLevel(std::span<const std::string_view> levels, const CpuFeatures& features,
                           std::string_view wanted = {});

/// Value of LLMC_CPU_LEVEL, empty when unset.
std::string_view levelOverride();

/// Refuses names in LLMC_CPU_FEATURES and LLMC_CPU_LEVEL that mean nothing: detectCpuFeatures() passes over them, and a
/// misspelt one would run other code than was asked for. Error CPU_ENVIRONMENT (64) lists the known ones.
Status checkCpuEnvironment();

}  // namespace llmc::rt
