// A PTX module that runs on the CPU: translated to C++, compiled by clang++-22, loaded.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "tests/emulator/launch.h"
#include "tests/emulator/translate.h"

namespace llmc::emu {

/// Threads: load() and launch() may be called from any thread; one program may run several launches at once.
class PtxProgram {
 public:
  /// Translates `ptx` and compiles it for launches with or without checks; the other build when a launch wants it.
  /// Compiled code is kept in $LLMC_EMULATOR_CACHE, else in emulator-cache of the build
  /// folder, under a digest of everything it depends on; several processes may share it. Errors: EMU_PTX names the line
  /// of an instruction that is not known, EMU_COMPILE a compiler that failed, EMU_LOAD a library that does not load.
  static rt::Result<std::shared_ptr<PtxProgram>> load(std::string_view ptx, bool checked = false);
  ~PtxProgram();

  /// Runs all blocks of a grid, to the end. `params` holds the parameters as laid out by the kernel's signature.
  /// Errors: EMU_SYMBOL, EMU_LAUNCH (what a driver would refuse), EMU_FAULT (what the kernel did wrong, the first
  /// block's findings; in a checked launch all its reports, one a line).
  rt::Status launch(std::string_view symbol, Dim3 grid, Dim3 block, uint32_t sharedBytes,
                    std::span<const std::byte> params, const LaunchChecks& checks = {});

  const std::vector<Entry>& entries() const;
  const Entry* find(std::string_view symbol) const;

 private:
  struct State;
  explicit PtxProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmc::emu
