// One program of the plan with every argument resolved to an address: what is left for a step is to pick the variants.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/worker_pool.h"
#include "runtime/exec/workspace.h"
#include "runtime/format/kernel_abi.h"

namespace llmc::rt {

/// The plan and where its weights and code are. Functions may be null-returning only for things the plan does not name.
struct ProgramSource {
  const fb::Engine* plan = nullptr;
  uint32_t level = 0;                                        ///< index in plan->levels()
  std::function<const void*(uint32_t index)> weightAddress;  ///< packed weight `index`
  std::function<const void*(uint64_t offset)> codeAddress;   ///< entry point at `offset` of the level's image
};

/// Memory that arguments point into. All addresses live as long as the program.
struct ProgramMemory {
  uint8_t* arena = nullptr;  ///< bytes of the plan's slots
  uint8_t* kv = nullptr;     ///< the pages of the KV cache
  const Batch* batch = nullptr;
};

/// Which of a kernel's variants run. Each rounds in an order of its own.
enum class Numerics : uint8_t {
  kFast,       ///< the one made for the number of rows of the step
  kInvariant,  ///< those that round alike (CodeRange::exact): a row's result does not depend on the rows beside it
};

/// Not copyable: calls point into its own argument words.
class BoundProgram {
 public:
  /// Error RT_PLAN (70) when a weight or kernel has no address.
  static Result<std::unique_ptr<BoundProgram>> bind(const ProgramSource& source, uint32_t program,
                                                    const ProgramMemory& memory, const StepLimits& limits,
                                                    uint32_t workers);
  BoundProgram(const BoundProgram&) = delete;
  BoundProgram& operator=(const BoundProgram&) = delete;

  /// The walk for T tokens and S rows by variants of `numerics`. Launches that work on rows are left out when there are
  /// none, and phases that become empty with them. Allocates nothing; valid until the next call.
  Walk walk(uint32_t tokens, uint32_t rows, Numerics numerics = Numerics::kFast);

  /// What call `call` of the last walk runs, for people who measure.
  struct CallOrigin {
    uint32_t kernel, variant;  ///< in the plan
    bool onRows;               ///< works on the selected rows, not on all tokens
  };
  std::span<const CallOrigin> origins() const { return origins_; }

  uint32_t maxTokens() const { return maxTokens_; }  ///< 0: any
  const float* logits() const { return logits_; }    ///< [S, vocab] f32, row stride rowStrideBytes(4 * vocab)
  uint32_t tiles() const { return tiles_; }          ///< of a row of logits; 0: the program finds no largest ones
  const float* argmax() const { return argmax_; }    ///< [S, 2 * tiles] f32, row stride rowStrideBytes(8 * tiles)

 private:
  BoundProgram() = default;
  Status bindKernels(const ProgramSource& source);
  Status bindLaunches(const ProgramSource& source, const fb::Program& program, const ProgramMemory& memory,
                      const UnitCounts& units);

  struct Variant {
    uint32_t maxRows;  ///< of M; 0: any
    uint32_t index;    ///< in the plan
    KernelFn function;
  };
  struct Kernel {
    bool onRows;  ///< M is S, else T
    std::vector<Variant> variants, exact;

    const Variant& pick(uint32_t m, Numerics numerics) const;
  };
  struct Launch {
    uint32_t kernel, firstArg;
  };

  std::vector<Kernel> kernels_;
  std::vector<uint64_t> args_;  ///< words of all launches
  std::vector<Launch> launches_;
  std::vector<uint32_t> launchEnds_;  ///< [phase] as in the plan
  std::vector<KernelCall> calls_;     ///< of the walk last asked for
  std::vector<CallOrigin> origins_;   ///< of the same walk
  std::vector<uint32_t> phaseEnds_;
  uint32_t tokens_ = 0, rows_ = 0;  ///< of that walk; tokens_ 0: none yet
  Numerics numerics_ = Numerics::kFast;
  uint32_t maxTokens_ = 0;
  const float* logits_ = nullptr;
  uint32_t tiles_ = 0;
  const float* argmax_ = nullptr;
};

}  // namespace llmc::rt
