// The ordered passes of a build, by phase, and what they leave behind for people.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/status.h"
#include <string>
#include <vector>

namespace llmc {

/// Where a build may stop: after the IR of that phase is there.
enum class Phase { Import, Graph, Kernels, Plan, Engine };

struct PassOptions {
  std::string scheme = "native", activations = "auto"; ///< llm-quantize
  std::string tuning;                                  ///< kern-select-config: file of llmc tune; empty: none
  std::string kvCache = "auto";                        ///< llm-choose-kv-layout; auto: f32 beside f32 activations
  int64_t groupSize = 32;                              ///< llm-quantize, of w4
  std::string printBefore, printAfter;                 ///< pass flag, "all" or empty
  bool verbose = false;                                ///< say on stderr which pass ran and how long it took
  std::string dumpDir;                                 ///< empty: printed IR goes to stderr
};

/// Runs the passes of one phase (Import: none) over `module`, verifying after each. Remarks are appended to `remarks`.
/// Errors: PASS with the diagnostics, IO when a dump cannot be written.
rt::Status runPhase(mlir::ModuleOp module, Phase phase, const PassOptions &options, std::vector<std::string> &remarks);

/// The pass that a build runs on each variant of each kernel by itself, after the others.
inline const char *loweringFlag(bool cuda) { return cuda ? "kern-lower-cuda" : "kern-lower-cpu"; }

/// Prints `text` as the IR `when` ("before", "after", "failed") the pass `flag` where the user asked for it: on stderr,
/// or into the dump folder. Errors: OUT_IO.
rt::Status printIr(const PassOptions &options, llvm::StringRef when, llvm::StringRef flag,
                   llvm::function_ref<std::string()> text);

/// Flags of all passes in order: what --print-ir-after accepts.
std::vector<std::string> passFlags();

/// Writes `text` as NN-name.extension into the dump folder, or does nothing when there is none.
rt::Status dumpText(const PassOptions &options, const std::string &name, const std::string &text);

} // namespace llmc
