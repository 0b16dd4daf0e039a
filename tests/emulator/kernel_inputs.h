// Device memory of one kernel case: seeded activations, packed weights, a ragged batch and a cache, as the runtime
// would lay them out, and the same values as the reference interpreter takes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codegen/registry/PackedLayout.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMTypes.h"
#include "dialects/Reference/Interpreter.h"
#include "runtime/format/kernel_abi.h"
#include "tests/emulator/guarded_memory.h"
#include "tests/emulator/kernel_case.h"
#include "tests/emulator/launch.h"

namespace llmc::emu {

/// One buffer of device memory.
struct DeviceBuffer {
  std::string name;
  GuardedMemory data;
  uint64_t bytes = 0;
};

/// Builds what a kern.func takes, argument by argument, and runs the reference on it.
class KernelInputs {
 public:
  KernelInputs(const KernelCase& test, kern::FuncOp function);

  /// The first problem: an argument that the harness has no values for.
  const std::string& error() const { return error_; }
  /// Poisons the results and restores what a kernel may have changed; then the words of a launch.
  std::vector<uint64_t> prepare();
  const MemoryMap& memory() const { return memory_; }
  const rt::Batch& batch() const { return deviceBatch_; }
  const std::vector<DeviceBuffer>& buffers() const { return buffers_; }
  /// What a launch may write: rows of `element` ("f32", "f16", "bf16", "e4m3"; "bytes" where codes and scales follow
  /// one another), `stride` bytes apart.
  struct Written {
    size_t buffer;
    std::string element;
    uint64_t stride;
  };
  std::vector<Written> written() const;

  /// Computes what is expected. Failure leaves a text in error().
  bool evaluate(const KernelCase& test);
  /// Compares results and cache with the reference: an empty text, or the first difference.
  std::string compare(const KernelCase& test, double* worst);

 private:
  struct Matrix {
    reference::Tensor values;
    std::string element;  ///< "f32", "f16", "bf16", "e4m3"
    uint64_t stride = 0;
    bool sampled = false;
    size_t buffer = 0;
  };

  void makeBatch(const KernelCase& test);
  void leaveTokens(const std::vector<reference::Sequence>& sequences);
  void addArgument(const KernelCase& test, mlir::Value argument);
  void addActivation(const KernelCase& test, mlir::Type type);
  struct RandomWeight;
  RandomWeight randomWeight(llm::WeightType type, Layout layout);
  void addWeight(mlir::Value argument);
  void addRopeTable(mlir::Value argument, llm::RopeAttr rope);
  void addCache(llm::KvType type);
  void addResult(mlir::Type type);
  void writeCache();
  void addSamples(const KernelCase& test);
  void findBest();
  void expectSamples(const KernelCase& test);
  std::string compareCache();
  std::string compareMatrix(const KernelCase& test, size_t index, double* worst);
  size_t addBuffer(std::string name, uint64_t bytes, bool writable, int fill, bool constant = false);
  int64_t rowsOf(mlir::Type type) const;
  double normal();
  double uniform();

  kern::FuncOp function_;
  std::string error_;
  uint64_t random_;
  std::vector<DeviceBuffer> buffers_;
  MemoryMap memory_;
  std::vector<uint64_t> words_;
  reference::Batch batch_;
  rt::Batch deviceBatch_;
  int64_t pages_ = 0;
  reference::KvCache cache_, expectedCache_;
  std::vector<int64_t> tokensOfPage_;  ///< of sequences, this step's included
  size_t cacheBuffer_ = 0;
  uint64_t pageBytes_ = 0;
  int64_t layer_ = 0;
  llm::KvType kv_;
  bool hasCache_ = false;
  std::vector<Matrix> activations_, results_;
  std::vector<reference::Tensor> weights_;  ///< in the order of arguments; empty for a table of angles
  std::vector<reference::Tensor> expected_;
};

}  // namespace llmc::emu
