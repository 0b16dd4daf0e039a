// Compiles one matrix product variant, maps its code, and makes packed weights, activations and a double reference.
#pragma once

#include "codegen/cpu/ImageLinker.h"
#include "codegen/cpu/ObjectCompiler.h"
#include "codegen/cpu/matmul/MatmulDriver.h"
#include "runtime/format/kernel_abi.h"
#include <functional>
#include <string>
#include <vector>

namespace llmc {

/// Zero-initialised memory on a cache line, with 4 KiB behind it that kernels may read.
class Buffer {
public:
  explicit Buffer(size_t bytes, uint8_t fill = 0);
  Buffer(const Buffer &) = delete;
  ~Buffer();
  uint8_t *data() const { return data_; }
  template <typename T> T *as() const { return reinterpret_cast<T *>(data_); }

private:
  uint8_t *data_;
};

/// One function "kernel" of a module that `fill` writes, compiled, linked and mapped read + execute.
class MappedCode {
public:
  MappedCode(const Level &level, const std::function<void(mlir::ModuleOp)> &fill, bool wantListing = false);
  ~MappedCode();
  MappedCode(const MappedCode &) = delete;
  rt::KernelFn function() const { return function_; }

  std::string error; ///< empty: built
  KernelListing listing;
  double milliseconds = 0; ///< from building MLIR to the object
  size_t objectBytes = 0;
  int64_t mlirOps = 0;

private:
  void map(const CodeImage &image);

  void *base_ = nullptr;
  size_t size_ = 0;
  rt::KernelFn function_ = nullptr;
};

/// A matrix product: words are x, weights, out, M (pointer to i32), scratch.
class BuiltMatmul : public MappedCode {
public:
  BuiltMatmul(const MatmulShape &shape, const Level &level, bool wantListing);
  /// Runs all workers one after the other; with a counter the first one takes what is not divided equally.
  void run(const void *x, const void *weights, float *out, int32_t rows, uint32_t workers,
           std::atomic<uint32_t> *taken = nullptr);
  void runWorker(uint64_t (&words)[5], uint32_t worker, uint32_t workers) {
    function()(words, worker, workers, nullptr);
  }

private:
  int64_t scratchBytes_;
};

/// Random packed weight, and its logical values.
struct TestWeight {
  TestWeight(const MatmulShape &shape, uint32_t seed);
  /// scale, code - zero point and min of (row, col); floats have scale 1.
  double value(int64_t row, int64_t col) const;
  /// value() of a whole row; each is computed once.
  const std::vector<double> &row(int64_t row) const;

  MatmulShape shape;
  Buffer packed;
  std::vector<int32_t> codes;
  std::vector<uint16_t> scales, mins, blocks, blockMins;

private:
  mutable std::vector<std::vector<double>> rows_;
};

/// Random activations of `rows` rows in the ABI's layout; rows past M hold other numbers, f32 columns past K NaN.
struct TestActivations {
  TestActivations(const MatmulShape &shape, int64_t rows, uint32_t seed);
  double value(int64_t row, int64_t col) const;
  /// value() of a whole row; each is computed once.
  const std::vector<double> &row(int64_t row) const;

  MatmulShape shape;
  Buffer bytes;

private:
  mutable std::vector<std::vector<double>> rows_;
};

/// Exact sum and the sum of magnitudes (the unit of the error bound) of one output.
std::pair<double, double> referenceOutput(const TestWeight &weight, const TestActivations &x, int64_t row, int64_t n);

std::string layoutTestName(Layout layout, ActKind act);

} // namespace llmc
