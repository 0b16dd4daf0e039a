// Builders and rules of embed, select_rows, keep_rows, slice, argmax and sample.
#include "dialects/LLM/Verify.h"

namespace llmc::llm {
using namespace mlir;

void EmbedOp::build(OpBuilder& b, OperationState& state, Value batch, Value table, double scale) {
  build(b, state, activationType(b.getContext(), Dim::T(), ::llvm::cast<WeightType>(table.getType()).cols()), batch,
        table, scale);
}

LogicalResult EmbedOp::verify() {
  WeightType table = getTable().getType();
  if (!table.isMatrix()) return emitOpError("C1: expected a table [V, H], found ") << table;
  if (failed(expectEqual(*this, "C2", "columns", table.cols(), cols(getType())))) return failure();
  return expectRows(*this, "C3", getType(), Dim::T());
}

void SelectRowsOp::build(OpBuilder& b, OperationState& state, Value x, Value batch) {
  build(b, state, activationType(b.getContext(), Dim::S(), cols(x.getType())), x, batch);
}

LogicalResult SelectRowsOp::verify() {
  if (failed(expectRows(*this, "C1", getX().getType(), Dim::T())) ||
      failed(expectRows(*this, "C2", getType(), Dim::S())))
    return failure();
  return expectEqual(*this, "C3", "columns", cols(getX().getType()), cols(getType()));
}

void SliceOp::build(OpBuilder& b, OperationState& state, Value x, int64_t offset, int64_t size) {
  build(b, state, withCols(x.getType(), size), x, offset, size);
}

LogicalResult SliceOp::verify() {
  int64_t width = cols(getX().getType());
  if (getOffset() < 0 || getSize() <= 0 || getSize() > width || getOffset() > width - getSize())
    return emitOpError("C1: expected columns inside 0..")
           << width << ", found offset " << getOffset() << " and size " << getSize();
  return expectShape(*this, "C2", getType(), rowsDim(getX().getType()), getSize());
}

void KeepRowsOp::build(OpBuilder& b, OperationState& state, Value x, Value batch) {
  build(b, state, x.getType(), x, batch);
}

LogicalResult KeepRowsOp::verify() {
  if (failed(expectRows(*this, "C1", getX().getType(), Dim::S()))) return failure();
  if (getX().getType() == getType()) return success();
  return emitOpError("C2: expected a result of ") << getX().getType() << ", found " << getType();
}

/// Columns that an f32 counts exactly.
static constexpr int64_t kMostColumns = int64_t{1} << 24;

static int64_t tilesOf(int64_t columns, int64_t tile) { return (columns + tile - 1) / tile; }

int64_t ArgmaxOp::tiles() { return tilesOf(cols(getLogits().getType()), getTile()); }

void ArgmaxOp::build(OpBuilder& b, OperationState& state, Value logits, int64_t tile) {
  build(b, state, withCols(logits.getType(), 2 * tilesOf(cols(logits.getType()), tile)), logits, tile);
}

LogicalResult ArgmaxOp::verify() {
  if (getTile() <= 0) return emitOpError("C1: expected tile > 0, found ") << getTile();
  if (cols(getLogits().getType()) > kMostColumns)
    return emitOpError("C3: expected at most ") << kMostColumns << " columns, found " << cols(getLogits().getType());
  return expectShape(*this, "C2", getType(), rowsDim(getLogits().getType()), 2 * tiles());
}

void SampleOp::build(OpBuilder& b, OperationState& state, Value logits, Value best, Value batch) {
  build(b, state, withCols(logits.getType(), 1), logits, best, batch);
}

LogicalResult SampleOp::verify() {
  const Dim rows = rowsDim(getLogits().getType());
  if (rowsDim(getBest().getType()) != rows || cols(getBest().getType()) % 2 != 0)
    return emitOpError("C1: expected best to be the argmax of the logits, found ") << getBest().getType();
  if (cols(getLogits().getType()) > kMostColumns)
    return emitOpError("C3: expected at most ") << kMostColumns << " columns, found " << cols(getLogits().getType());
  return expectShape(*this, "C2", getType(), rows, 1);
}

}  // namespace llmc::llm
