// Loops of one instruction kind with enough independent chains.
#include "tests/bench/kernels/ceilings.h"

#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <functional>

namespace llmc {
namespace {

using mlir::Value;
using Values = KernelBuilder::Values;

/// A kernel of one loop: words are data, count, out.
std::unique_ptr<MappedCode> buildLoop(const Level &level, int64_t chains, mlir::Type (*type)(KernelBuilder &),
                                      int64_t step,
                                      const std::function<Value(KernelBuilder &, Value, Value, int64_t)> &body) {
  return std::make_unique<MappedCode>(level, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "kernel", 3, level);
    Values sums(chains, k.constant(type(k), 0.0));
    Value count = k.batchInt(k.arg(1), 0);
    sums = k.forLoop(k.c(0), count, step, sums, [&](Value i, mlir::ValueRange carried) {
      Values next;
      for (int64_t c = 0; c < chains; ++c)
        next.push_back(body(k, carried[c], k.address(k.arg(0), i), c));
      return next;
    });
    for (int64_t c = 0; c < chains; ++c)
      k.store(sums[c], k.arg(2), Value(), c * 64);
    k.finish();
  });
}

double secondsOf(MappedCode &code, const void *data, int32_t count) {
  Buffer out(4096);
  uint64_t words[3] = {reinterpret_cast<uint64_t>(data), reinterpret_cast<uint64_t>(&count),
                       reinterpret_cast<uint64_t>(out.data())};
  return typicalSeconds(0.2, [&] { code.function()(words, 0, 1, nullptr); });
}

mlir::Type intLanes(KernelBuilder &k) { return k.vec(k.level().avx512 ? 16 : 8, k.i32()); }
mlir::Type pairLanes(KernelBuilder &k) { return k.vec(k.level().avx512 ? 32 : 16, k.b().getI16Type()); }
mlir::Type floatLanes(KernelBuilder &k) { return k.vec(k.level().avx512 ? 16 : 8, k.f32()); }

} // namespace

double readBandwidth(const Level &level, size_t bytes) {
  Buffer data(bytes, 1);
  auto code =
      buildLoop(level, 8, intLanes, 8 * level.vectorBytes(), [&](KernelBuilder &k, Value sum, Value at, int64_t c) {
        return k.add(sum, k.load(intLanes(k), at, Value(), c * level.vectorBytes(), 32));
      });
  return static_cast<double>(bytes) / secondsOf(*code, data.data(), static_cast<int32_t>(bytes)) / 1e9;
}

double dotPeak(const Level &level) {
  Buffer data(4096, 1);
  auto type = level.vnni ? intLanes : pairLanes;
  auto code = buildLoop(level, 12, type, 1, [&](KernelBuilder &k, Value sum, Value, int64_t c) {
    mlir::Type bytes = k.vec(level.vectorBytes(), k.i8());
    Value a = k.load(bytes, k.arg(0), Value(), 0, 64), b = k.load(bytes, k.arg(0), Value(), 64, 64);
    if (level.vnni)
      return k.intrinsic(level.avx512 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256", sum.getType(),
                         {sum, a, b});
    // The product would be hoisted out of the loop if it did not depend on the sum.
    Value x = k.bitcast(sum, bytes);
    return k.add(sum, k.intrinsic(level.avx512 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw",
                                  sum.getType(), {x, b}));
  });
  const int32_t count = 100000;
  return count * 12.0 * static_cast<double>(level.vectorBytes()) * 2 / secondsOf(*code, data.data(), count) / 1e9;
}

double fmaPeak(const Level &level) {
  Buffer data(4096);
  auto code = buildLoop(level, 12, floatLanes, 1, [&](KernelBuilder &k, Value sum, Value, int64_t c) {
    Value a = k.load(floatLanes(k), k.arg(0), Value(), 0, 64), b = k.load(floatLanes(k), k.arg(0), Value(), 64, 64);
    return k.fma(a, b, sum);
  });
  const int32_t count = 100000;
  return count * 12.0 * static_cast<double>(level.vectorBytes()) / 4 * 2 / secondsOf(*code, data.data(), count) / 1e9;
}

} // namespace llmc
