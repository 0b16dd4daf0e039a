// Faults that people make in kernels, planted in kernels that have none: the emulator must find each.
#pragma once

#include <string>
#include <vector>

#include "tests/emulator/kernel_case.h"

namespace llmc::emu {

/// One kernel with one fault.
struct PlantedFault {
  std::string name;  ///< "attend: no bar.sync (PTX line 312)"
  KernelCase test;
};

/// What is wrong in a mutant.
enum class FaultKind {
  kMissingBarrier,  ///< one bar.sync or bar.warp.sync removed
  kShortWait,       ///< cp.async.wait_group lets one group more be under way
  kSwappedOperand,  ///< rows 0-7 and 8-15 of operand A of one mma exchanged
  kTransposed,      ///< ldmatrix with .trans where it has none, or without
  kShortProducts,   ///< wgmma.wait_group lets one more group be under way
  kNoPhase,         ///< one mbarrier.try_wait that does not wait
  kWrongParity,     ///< one that waits for the other phase
  kNoExpected,      ///< mbarrier.arrive.expect_tx without the bytes that come
  kNoArrival,       ///< one mbarrier.arrive removed
  kNoProxyFence,    ///< one fence.proxy.async removed
  kNoGridWait,      ///< griddepcontrol.wait removed
  kNoDeviceFence,   ///< one fence.acq_rel.gpu removed
  kOwnBlock,        ///< what is meant for another block of the cluster reaches the own one
  kOneBlock,        ///< a multicast to the first block alone
  kHalfExpected,    ///< half of the bytes expected: those that the block copies itself
  kEarlySums,       ///< a register with sums of a wgmma read right before wgmma.wait_group
};

/// All of them.
inline constexpr FaultKind kFaultKinds[] = {
    FaultKind::kMissingBarrier, FaultKind::kShortWait,    FaultKind::kSwappedOperand, FaultKind::kTransposed,
    FaultKind::kShortProducts,  FaultKind::kNoPhase,      FaultKind::kWrongParity,    FaultKind::kNoExpected,
    FaultKind::kNoArrival,      FaultKind::kNoProxyFence, FaultKind::kNoGridWait,     FaultKind::kNoDeviceFence,
    FaultKind::kOwnBlock,       FaultKind::kOneBlock,     FaultKind::kHalfExpected,   FaultKind::kEarlySums};

/// One place where a fault can be planted: a line of the PTX, and what stands there instead.
struct Mutant {
  unsigned line;
  std::string text;
};
/// All places for `kind` in `ptx`.
std::vector<Mutant> mutants(const std::string& ptx, FaultKind kind);

/// `ptx` with all of `faults` in it: in launches with LaunchChecks::variant n the n-th, from 1, has its effect, with 0
/// none. To compile a kernel once costs less than once for each fault.
std::string withVariants(const std::string& ptx, const std::vector<Mutant>& faults);

const char* nameOf(FaultKind kind);

/// Replaces the `index`-th occurrence of `from`; empty when there are not so many.
std::string replaced(const std::string& text, const std::string& from, const std::string& to, size_t index = 0);

}  // namespace llmc::emu
