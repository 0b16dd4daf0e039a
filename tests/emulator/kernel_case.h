// Runs one kern.func as a CUDA kernel in the emulator and compares it with the reference interpreter: the harness of
// the tests of codegen/cuda.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "codegen/cuda/KernelCost.h"
#include "codegen/registry/TunedNumber.h"
#include "dialects/Reference/Tensor.h"
#include "runtime/base/status.h"
#include "runtime/sample/sampling_params.h"
#include "tests/emulator/launch.h"

namespace llmc::emu {

/// One sequence of a step: tokens that the cache holds already, and tokens of this step.
struct SequenceSpec {
  int32_t past, tokens;
};

/// How a row is sampled, for a kernel with llm.sample. The oracle is rt::Sampler.
struct SampledRow {
  rt::SamplingParams params;
  std::vector<int32_t> prompt{}, generated{};  ///< what the penalties count
  std::vector<int32_t> stopIds{};              ///< impossible before params.minTokens
  uint64_t position = 0;
};

/// A kernel and the step that it runs on.
struct KernelCase {
  std::string text;                                       ///< an MLIR module; it may hold more than one kern.func
  std::string kernel{};                                   ///< the one to run; empty: the first
  std::vector<std::string> archs = {"sm_80", "sm_120a"};  ///< one of each of NVRTC's two code generators
  int64_t mMax = 0;
  bool warpgroups = false;           ///< of CudaRequest
  std::vector<TunedNumber> tuned{};  ///< the same
  std::vector<SequenceSpec> sequences = {{0, 3}, {21, 1}, {5, 12}, {70, 1}};
  bool sampleAll = false;   ///< S = T rather than one row a sequence
  int32_t vocabulary = 32;  ///< token ids are below
  uint64_t seed = 1;
  double activations = 1.0;  ///< standard deviation of the input
  /// One for each row; then the kernel's first two activations are logits and their argmax. Rows that the device does
  /// not take, as SampleRows says, give -1.
  std::vector<SampledRow> samples{};
  /// Largest |got - expected| allowed, of |expected| + the row's largest value. 0: by element type of the result, f32
  /// 2e-5, f16 2e-3, bf16 1e-2, e4m3 3.5e-2.
  double tolerance = 0;
  /// Changes the CUDA text before it is compiled: how tests plant faults.
  std::function<std::string(std::string)> edit{};
  /// Changes the PTX that the emulator runs.
  std::function<std::string(std::string)> editPtx{};
  /// Called with result number, expected and computed values before they are compared; may change both.
  std::function<void(size_t, reference::Tensor&, reference::Tensor&)> adjust{};
  bool allOrders = true;  ///< threads also in descending and random order, there with more blocks than the step needs
  /// Also a run that looks for races, bounds and values never written; without allOrders the only one, since each
  /// build of the kernel costs more than its run.
  bool checked = true;
  uint32_t variant = 0;       ///< of LaunchChecks
  bool checkedFirst = false;  ///< before all others: it finds most faults of what orders threads
};

/// What came of a case on one architecture.
struct KernelOutcome {
  std::string arch;
  rt::Status status;  ///< emission, compilation (CU_*), translation (EMU_PTX), faults found (EMU_FAULT), or
                      ///< EMU_VALUE: results that differ
  double worst = 0;   ///< largest error as a share of |expected| + the row's largest value
  int64_t registers = 0, sharedBytes = 0;
  std::string cudaText, ptx;
  KernelCost cost;    ///< the generator's
  Counters counters;  ///< of the checked run
};

/// CU_NVRTC_MISSING as text when NVRTC is not here: tests skip with it. Empty otherwise.
std::string missingNvrtc();

/// One outcome an architecture. Requires: missingNvrtc() is empty.
std::vector<KernelOutcome> runKernelCase(const KernelCase& test);

/// runKernelCase() with a gtest failure for each outcome that is not fine; skips the test without NVRTC.
void checkKernelCase(const KernelCase& test);

}  // namespace llmc::emu
