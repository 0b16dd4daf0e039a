// Leaves kernel cases as files that a machine with a GPU can repeat: tests/gpu/kernels.py does.
#pragma once

#include "codegen/cuda/KernelText.h"
#include "codegen/cuda/Nvrtc.h"
#include "tests/emulator/kernel_inputs.h"

namespace llmc::emu {

/// $LLMC_KERNEL_RECORD: the folder; empty: nothing is recorded.
std::string recordFolder();
/// $LLMC_KERNEL_ARCH: the one architecture that cases run for while they are recorded; empty: each case's own.
std::string recordArch();

/// One launch: buffers before it, words, and what the emulator leaves in those that it may write.
class KernelRecord {
 public:
  /// Right after prepare(): `words` are its result, `grid` the launch's.
  KernelRecord(const KernelInputs& inputs, std::vector<uint64_t> words, Dim3 grid);
  /// Once the kernel has run: writes NAME.json, NAME.bin, NAME.cubin and NAME.ptx; NAME is the test's and a number.
  /// Error EMU_RECORD when it cannot.
  rt::Status write(const std::string& folder, const KernelCase& test, const KernelText& text,
                   const CompiledText& compiled) const;

 private:
  const KernelInputs& inputs_;
  std::vector<uint64_t> words_;
  Dim3 grid_;
  std::vector<std::string> before_;  ///< by buffer
};

}  // namespace llmc::emu
