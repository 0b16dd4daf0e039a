// Reductions over a row and the norms that need them.
#include "codegen/cpu/RegionEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "dialects/LLM/LLMTypes.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kUnroll = 4; // chunks a loop step: independent sums hide the latency of an FMA

void RegionEmitter::forChunks(int64_t columns, llvm::function_ref<void(Value)> body) {
  const int64_t looped = columns / (kUnroll * kChunk) * (kUnroll * kChunk);
  if (looped > 0)
    k_.forEach(k_.c(0), k_.c(looped), kUnroll * kChunk, [&](Value column) {
      for (int64_t i = 0; i < kUnroll; ++i)
        body(k_.add(column, i * kChunk));
    });
  for (int64_t column = looped; column < columns; column += kChunk)
    body(k_.c(column));
}

Value RegionEmitter::foldRow(Value value, Value row, Value first, int64_t columns, Value fill, FoldFn fold) {
  const int64_t looped = columns / (kUnroll * kChunk) * (kUnroll * kChunk);
  Values sums(kUnroll, zeros());
  if (looped > 0)
    sums = k_.forLoop(k_.c(0), k_.c(looped), kUnroll * kChunk, sums, [&](Value column, ValueRange carried) {
      Values next;
      for (int64_t i = 0; i < kUnroll; ++i)
        next.push_back(fold(carried[i], chunk(value, row, k_.add(k_.add(first, column), i * kChunk))));
      return next;
    });
  for (int64_t column = looped; column < columns; column += kChunk) {
    Value x = keepFirst(k_, chunk(value, row, k_.add(first, column)), columns - column, fill);
    Value &sum = sums[(column - looped) / kChunk];
    sum = fold(sum, x);
  }
  return k_.reduceAdd(k_.addF(k_.addF(sums[0], sums[1]), k_.addF(sums[2], sums[3])));
}

/// 1 / sqrt(sum / count + eps).
static Value inverseRoot(KernelBuilder &k, Value sum, int64_t count, double eps) {
  Type type = sum.getType();
  Value mean = k.fma(sum, k.constant(type, 1.0 / count), k.constant(type, eps));
  return k.divF(k.constant(type, 1.0), math::SqrtOp::create(k.b(), mean));
}

void RegionEmitter::prepare(llm::RMSNormOp op, Value row) {
  const int64_t columns = llm::cols(op.getX().getType());
  const int64_t segment = op.getSegment() > 0 ? op.getSegment() : columns;
  auto inverse = [&](Value first) {
    Value sum = foldRow(op.getX(), row, first, segment, zeros(), [&](Value acc, Value x) { return k_.fma(x, x, acc); });
    return inverseRoot(k_, sum, segment, op.getEps());
  };
  if (segment == columns) {
    prepared_[op.getResult()] = {k_.splat(inverse(k_.c(0)), kChunk)};
    return;
  }
  if (segment % kChunk != 0) {
    fail(op, "its segment is not a multiple of 16");
    return;
  }
  // One factor a segment, in the frame, because the chunk that asks for it is not known yet.
  Value factors = frameBytes(k_, columns / segment * 4);
  k_.forEach(k_.c(0), k_.c(columns / segment), 1,
             [&](Value i) { k_.store(inverse(k_.mul(i, segment)), factors, k_.mul(i, 4), 0, 4); });
  prepared_[op.getResult()] = {factors};
}

Value RegionEmitter::chunk(llm::RMSNormOp op, Value row, Value column) {
  const int64_t columns = llm::cols(op.getX().getType());
  const int64_t segment = op.getSegment() > 0 ? op.getSegment() : columns;
  llvm::SmallVector<Value> state = prepared_.lookup(op.getResult());
  if (state.empty())
    return fail(op, "its row was not prepared");
  Value factor = state.front(), within = column;
  if (segment != columns) {
    factor = k_.loadSplat(k_.f32(), kChunk, factor, k_.mul(k_.divUI(column, segment), 4));
    within = k_.remUI(column, segment);
  }
  Value weight = parameter(op.getW(), within);
  if (op.getUnitOffset())
    weight = k_.addF(weight, k_.constant(weight.getType(), 1.0));
  return k_.mulF(k_.mulF(chunk(op.getX(), row, column), factor), weight);
}

void RegionEmitter::prepare(llm::LayerNormOp op, Value row) {
  const int64_t columns = llm::cols(op.getX().getType());
  Value sum = foldRow(op.getX(), row, k_.c(0), columns, zeros(), [&](Value acc, Value x) { return k_.addF(acc, x); });
  Value mean = k_.splat(k_.mulF(sum, k_.constant(k_.f32(), 1.0 / columns)), kChunk);
  // Two passes: sum(x^2) - mean^2 cancels when the mean is large.
  Value square = foldRow(op.getX(), row, k_.c(0), columns, mean, [&](Value acc, Value x) {
    Value d = k_.subF(x, mean);
    return k_.fma(d, d, acc);
  });
  prepared_[op.getResult()] = {mean, k_.splat(inverseRoot(k_, square, columns, op.getEps()), kChunk)};
}

Value RegionEmitter::chunk(llm::LayerNormOp op, Value row, Value column) {
  llvm::SmallVector<Value> state = prepared_.lookup(op.getResult());
  if (state.empty())
    return fail(op, "its row was not prepared");
  Value x = k_.mulF(k_.subF(chunk(op.getX(), row, column), state[0]), state[1]);
  Value weight = parameter(op.getW(), column);
  return op.getB() ? k_.fma(x, weight, parameter(op.getB(), column)) : k_.mulF(x, weight);
}

} // namespace llmc
