// Sugar over MLIR builders for writing one CPU kernel: i64 addresses, 16-lane vectors, loops, the kernel ABI's entry.
#pragma once

#include "codegen/cpu/Level.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace llmc {

/// Locality of a prefetch that stops at L2.
inline constexpr int kIntoL2 = 2;

/// Quarters of a launch's items that are divided equally before the rest is left to whoever is free: a share of its own
/// is one stream of addresses, and asks for nothing.
inline constexpr int64_t kOwnedQuarters = 3;

/// Builds `func.func @name(%args: !llvm.ptr, %worker: i32, %workers: i32, %taken: !llvm.ptr) -> i32` in a module and
/// keeps the insertion point inside it. Vectors are 16 lanes wide at every level (LLVM splits vector<16xf32> into two
/// ymm on AVX2); code that must control registers uses `lanes()` and 8-lane halves. All integers are i64 unless said.
/// Offsets are in bytes.
class KernelBuilder {
public:
  using Values = llvm::SmallVector<mlir::Value>;

  /// Starts the function; finish() must be called once.
  KernelBuilder(mlir::ModuleOp module, llvm::StringRef name, unsigned argCount, const Level &level);

  const Level &level() const { return level_; }
  mlir::ImplicitLocOpBuilder &b() { return b_; }

  /// Argument word `i` as a pointer; worker index and count as i64.
  mlir::Value arg(unsigned i) const { return args_[i]; }
  mlir::Value worker() const { return worker_; }
  mlir::Value workers() const { return workers_; }
  /// Emits `return 0`.
  void finish();

  // Types.
  mlir::Type i8() { return b_.getI8Type(); }
  mlir::Type i32() { return b_.getI32Type(); }
  mlir::Type i64() { return b_.getI64Type(); }
  mlir::Type f32() { return b_.getF32Type(); }
  mlir::Type f16() { return b_.getF16Type(); }
  mlir::Type bf16() { return b_.getBF16Type(); }
  mlir::Type ptr();
  mlir::VectorType vec(int64_t lanes, mlir::Type element);

  // Constants: integers, and splats of any vector or scalar type.
  mlir::Value c(int64_t value);
  mlir::Value constant(mlir::Type type, double value);

  // i64 arithmetic; the int64_t forms fold 0 and 1.
  mlir::Value add(mlir::Value a, mlir::Value v);
  mlir::Value add(mlir::Value a, int64_t v);
  mlir::Value sub(mlir::Value a, mlir::Value v);
  mlir::Value mul(mlir::Value a, mlir::Value v);
  mlir::Value mul(mlir::Value a, int64_t v);
  mlir::Value divUI(mlir::Value a, int64_t v);
  mlir::Value divUI(mlir::Value a, mlir::Value v);
  mlir::Value remUI(mlir::Value a, int64_t v);
  mlir::Value remUI(mlir::Value a, mlir::Value v);
  mlir::Value ceilDiv(mlir::Value a, int64_t v);
  mlir::Value minSI(mlir::Value a, mlir::Value v);
  mlir::Value maxSI(mlir::Value a, mlir::Value v);
  mlir::Value less(mlir::Value a, mlir::Value v); ///< signed <
  mlir::Value equal(mlir::Value a, mlir::Value v);

  // Memory. `base` is a pointer, `offset` an i64 byte offset, `disp` a constant one.
  mlir::Value address(mlir::Value base, mlir::Value offset, int64_t disp = 0);
  mlir::Value load(mlir::Type type, mlir::Value base, mlir::Value offset, int64_t disp = 0, unsigned align = 1);
  void store(mlir::Value value, mlir::Value base, mlir::Value offset, int64_t disp = 0, unsigned align = 1);
  /// Scalar load splat over `lanes`.
  mlir::Value loadSplat(mlir::Type element, int64_t lanes, mlir::Value base, mlir::Value offset, int64_t disp = 0);
  /// i32 field at `disp` of the batch as i64; pointer field at `disp`.
  mlir::Value batchInt(mlir::Value batch, int64_t disp);
  mlir::Value batchPtr(mlir::Value batch, int64_t disp);
  /// i32 element `index` of an int array as i64.
  mlir::Value loadIndex(mlir::Value array, mlir::Value index);
  /// `v`, a vector, computed before and not read until after all loads and stores around here, and other such values.
  mlir::Value inOrder(mlir::Value v);
  /// Reads the 4 bytes at `base` + `offset` for the sake of the caches: never dropped, as a prefetch may be.
  void touch(mlir::Value base, mlir::Value offset);
  void prefetch(mlir::Value base, mlir::Value offset, int64_t disp, int locality = 3);

  // Float vectors or scalars.
  mlir::Value addF(mlir::Value a, mlir::Value v);
  mlir::Value subF(mlir::Value a, mlir::Value v);
  mlir::Value mulF(mlir::Value a, mlir::Value v);
  mlir::Value divF(mlir::Value a, mlir::Value v);
  mlir::Value maxF(mlir::Value a, mlir::Value v); ///< a > v ? a : v
  mlir::Value minF(mlir::Value a, mlir::Value v); ///< a < v ? a : v
  mlir::Value fma(mlir::Value a, mlir::Value v, mlir::Value acc);
  mlir::Value splat(mlir::Value scalar, int64_t lanes);
  mlir::Value reduceAdd(mlir::Value vector);
  mlir::Value reduceMax(mlir::Value vector);
  mlir::Value extF(mlir::Value v);     ///< f16 -> f32, same shape
  mlir::Value truncF16(mlir::Value v); ///< f32 -> f16, round to nearest even
  mlir::Value bitcast(mlir::Value v, mlir::Type to);
  /// exp(x), 0 below -87.3 (with AVX-512 below -104), infinite above 88.37 (88.73), NaN for NaN: 2^n * polynomial of
  /// degree 6, error under 1.2 ulp.
  /// Vector or scalar f32.
  mlir::Value exp(mlir::Value x);
  /// Calls an LLVM intrinsic by name.
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type result, mlir::ValueRange operands);

  // Control flow.
  /// for (i = lo; i < hi; i += step); `body(i, carried)` returns the values carried on (same count as `inits`).
  Values forLoop(mlir::Value lo, mlir::Value hi, int64_t step, mlir::ValueRange inits,
                 llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> body);
  /// Loop without carried values.
  void forEach(mlir::Value lo, mlir::Value hi, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  /// `body`(carried) returns the next carried values, again and again while `condition`(carried) holds.
  Values whileLoop(mlir::ValueRange inits, llvm::function_ref<mlir::Value(mlir::ValueRange)> condition,
                   llvm::function_ref<Values(mlir::ValueRange)> body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> body);
  Values ifElse(mlir::Value condition, mlir::TypeRange results, llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);
  /// [begin, end) of `count` items that this worker owns: contiguous, sizes differ by at most one. `place`: of all
  /// shares the one it has; null: the one of its number.
  std::pair<mlir::Value, mlir::Value> workerRange(mlir::Value count, mlir::Value place = {});
  /// From here on shares are equal unless `condition` holds: for a kernel that may come to shareOut() more than once.
  void shareOutOnlyIf(mlir::Value condition);
  /// Emits `body`(begin, end, carried), a loop over it: first with this worker's share of the first three quarters of
  /// `count` items, then with the next `chunk` items that nobody has taken, until all are; without a counter of the
  /// runtime once, with its equal share of all. The body may be entered with no items, and returns the next carried
  /// values. `place`: as workerRange(). To be run once in a launch.
  void shareOut(mlir::Value count, mlir::Value chunk, mlir::ValueRange inits,
                llvm::function_ref<Values(mlir::Value, mlir::Value, mlir::ValueRange)> body, mlir::Value place = {});

  /// i1: whether the runtime gave this launch a counter, so that workers may take items as they come.
  mlir::Value countsTaken();
  /// Counts one more item as taken; how many were before. Requires: countsTaken(), and no shareOut() in the launch.
  mlir::Value take();

  /// Emits `body`(inputs) as a function of its own, the kernel's arguments included, and calls it: its loops have all
  /// registers, whatever is live here. Nothing of the caller's but `inputs` may be used in it. To be called in the
  /// kernel itself, with a `suffix` for the function's name that no other call has.
  void callApart(llvm::StringRef suffix, mlir::ValueRange inputs, llvm::function_ref<void(mlir::ValueRange)> body);

private:
  /// Starts a function with the kernel's arguments and `more`.
  void enter(llvm::StringRef name, unsigned argCount, mlir::TypeRange more);

  const Level &level_;
  mlir::ImplicitLocOpBuilder b_;
  mlir::Block *entry_ = nullptr;
  Values args_;
  mlir::Value worker_, workers_, taken_;
};

} // namespace llmc
