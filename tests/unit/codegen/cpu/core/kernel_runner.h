// Builds a kernel from the text of a kern.func, maps its code and runs it: what the tests of CPU kernels share.
#pragma once

#include "codegen/cpu/ImageLinker.h"
#include "codegen/cpu/KernelEmitter.h"
#include "codegen/cpu/ObjectCompiler.h"
#include "runtime/format/kernel_abi.h"

#include "mlir/IR/MLIRContext.h"
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace llmc {

/// True when this machine can run `level`; prints the reason once when it cannot.
bool canRun(const Level &level);

/// Code mapped read + execute for the life of the object.
class MappedKernel {
public:
  MappedKernel(CodeImage image, std::string assembly, llvm::StringRef symbol);
  ~MappedKernel();
  MappedKernel(const MappedKernel &) = delete;
  MappedKernel &operator=(const MappedKernel &) = delete;

  /// Runs the kernel for every worker in turn. `args`: pointers in the order of the ABI.
  void run(const std::vector<const void *> &args, uint32_t workers) const;
  rt::KernelFn function() const { return function_; }
  const std::string &assembly() const { return assembly_; }
  bool callsNothing() const; ///< no call instruction in the listing

private:
  void *base_;
  size_t size_;
  std::string assembly_;
  rt::KernelFn function_;
};

using Emit = std::function<mlir::LogicalResult(mlir::ModuleOp, const EmitRequest &)>;

/// Parses `text` (one kern.func), emits it with `emit`, compiles and links it for `level`. Null and a gtest failure
/// when any step fails.
std::unique_ptr<MappedKernel> buildKernel(const std::string &text, const Level &level, const Emit &emit);

/// The same for a kernel called "kernel" that `fill` builds in an empty module.
std::unique_ptr<MappedKernel> buildModule(const Level &level,
                                          const std::function<mlir::LogicalResult(mlir::ModuleOp)> &fill);

/// The diagnostic that `emit` leaves on the kern.func in `text`; empty when it succeeds.
std::string emitError(const std::string &text, const Level &level, const Emit &emit);

/// Rows in the ABI's layout: `rows` live ones, 16 of padding, everything not set poisoned with 0xff (NaN, -1).
class Rows {
public:
  Rows(int64_t rows, int64_t rowBytes);
  template <typename T> T *row(int64_t r) { return reinterpret_cast<T *>(base() + r * stride_); }
  float &at(int64_t r, int64_t c) { return row<float>(r)[c]; }
  char *base();
  void randomize(int64_t columns, uint32_t seed, float scale = 1.0f);
  /// True when nothing behind the live rows has changed.
  bool paddingIntact();

private:
  int64_t rows_, stride_;
  std::vector<char> bytes_;
};

} // namespace llmc
