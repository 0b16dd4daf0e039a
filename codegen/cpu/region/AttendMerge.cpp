// llm.attend_merge: combines the parts of a split context.
#include "codegen/cpu/RegionEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;

namespace llmc {

// A row holds, for each head and split, D sums, then the maximum m, then the sum l of weights (all f32).
void RegionEmitter::prepare(llm::AttendMergeOp op, Value row) {
  const int64_t dim = op.getHeadDim(), splits = op.getSplits(), part = (dim + 2) * 4;
  const int64_t lanes = std::max<int64_t>(4, llvm::PowerOf2Ceil(splits));
  Value source = rowAddress(op.getP(), row);
  if (!source || dim % kChunk != 0) {
    fail(op, "its operand must lie in memory and its heads be a multiple of 16");
    return;
  }
  Value sinks = op.getSinks() ? pointer(op.getSinks()) : Value();
  // Factors exp(m_i - m) / sum of each (head, split), in the frame.
  Value factors = frameBytes(k_, (op.getHeads() + 1) * lanes * 4);
  VectorType type = k_.vec(lanes, k_.f32());
  // Carried: the largest factor that any head has for each split.
  llvm::SmallVector<Value> most =
      k_.forLoop(k_.c(0), k_.c(op.getHeads()), 1, {k_.constant(type, 0.0)}, [&](Value head, ValueRange most) {
        Value at = k_.address(source, k_.mul(head, splits * part), dim * 4);
        Values m, l;
        for (int64_t i = 0; i < lanes; ++i) {
          bool real = i < splits;
          m.push_back(real ? k_.load(k_.f32(), at, Value(), i * part, 4)
                           : k_.constant(k_.f32(), -std::numeric_limits<double>::infinity()));
          l.push_back(real ? k_.load(k_.f32(), at, Value(), i * part + 4, 4) : k_.constant(k_.f32(), 0.0));
        }
        Value maxima = vector::FromElementsOp::create(k_.b(), type, m);
        Value top = k_.splat(k_.reduceMax(maxima), lanes);
        Value weights = k_.exp(k_.subF(maxima, top));
        Value sum = k_.reduceAdd(k_.mulF(weights, vector::FromElementsOp::create(k_.b(), type, l)));
        if (sinks) {
          Value logit = k_.load(k_.f32(), sinks, k_.mul(head, 4), 0, 4);
          sum = k_.addF(sum, k_.exp(k_.subF(logit, k_.reduceMax(maxima))));
        }
        Value inverse = k_.divF(k_.constant(k_.f32(), 1.0), sum);
        Value scaled = k_.mulF(weights, k_.splat(inverse, lanes));
        k_.store(scaled, factors, k_.mul(head, lanes * 4), 0, 4);
        return KernelBuilder::Values{k_.maxF(most[0], scaled)};
      });
  Value largest = k_.address(factors, Value(), op.getHeads() * lanes * 4);
  k_.store(most[0], largest, Value(), 0, 4);
  // Splits without keys, behind a short context or before a window, need not be read: only [first, end) are.
  llvm::SmallVector<Value> live =
      k_.forLoop(k_.c(0), k_.c(splits), 1, {k_.c(0), k_.c(0)}, [&](Value i, ValueRange range) {
        Value factor = k_.load(k_.f32(), largest, k_.mul(i, 4), 0, 4);
        Value used = arith::CmpFOp::create(k_.b(), arith::CmpFPredicate::OGT, factor, k_.constant(k_.f32(), 0.0));
        Value begins = arith::AndIOp::create(k_.b(), used, k_.equal(range[1], k_.c(0)));
        return KernelBuilder::Values{select(k_, begins, i, range[0]), select(k_, used, k_.add(i, 1), range[1])};
      });
  prepared_[op.getResult()] = {source, factors, live[0], live[1]};
}

Value RegionEmitter::chunk(llm::AttendMergeOp op, Value row, Value column) {
  llvm::SmallVector<Value> state = prepared_.lookup(op.getResult());
  if (state.empty())
    return fail(op, "its row was not prepared");
  const int64_t dim = op.getHeadDim(), splits = op.getSplits(), part = (dim + 2) * 4;
  const int64_t lanes = std::max<int64_t>(4, llvm::PowerOf2Ceil(splits));
  Value head = k_.divUI(column, dim), within = k_.remUI(column, dim);
  Value at = k_.address(state[0], k_.add(k_.mul(head, splits * part), k_.mul(within, 4)));
  Value first = k_.mul(head, lanes * 4);
  llvm::SmallVector<Value> sum = k_.forLoop(state[2], state[3], 1, {zeros()}, [&](Value i, ValueRange sum) {
    Value factor = k_.loadSplat(k_.f32(), kChunk, state[1], k_.add(first, k_.mul(i, 4)), 0);
    Value x = k_.load(k_.vec(kChunk, k_.f32()), at, k_.mul(i, part), 0, 4);
    // One that is empty for this head has factor 0 and may hold anything, a NaN too.
    Value used = arith::CmpFOp::create(k_.b(), arith::CmpFPredicate::OGT, factor, zeros());
    return KernelBuilder::Values{k_.fma(select(k_, used, x, zeros()), factor, sum[0])};
  });
  return sum[0];
}

} // namespace llmc
