// Rotary embedding: the two-level table, angle addition, and the rotation of a head; also llm.rope outside kv_write.
#include "codegen/cpu/region/Rope.h"

#include "codegen/cpu/RegionEmitter.h"
#include "codegen/cpu/region/Lanes.h"
#include "dialects/LLM/LLMTypes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kLowAngles = 256; // the table's last rows: positions 0..255; rows before: multiples of 256

RopeRotator::RopeRotator(KernelBuilder &k, llm::RopeOp op, Value table, Value batch)
    : k_(k), table_(table), batch_(batch), dim_(op.getRope().getDim()), half_(dim_ / 2),
      highRows_(cast<llm::WeightType>(op.getTable().getType()).rows() - kLowAngles),
      neox_(op.getRope().getStyle() == llm::RopeStyle::Neox) {}

void RopeRotator::setRow(Value row) {
  Value position = k_.loadIndex(k_.batchPtr(batch_, offsetof(rt::Batch, positions)), row);
  // A row of the table: half_ cosines, then half_ sines.
  Value high = k_.address(table_, k_.mul(k_.divUI(position, kLowAngles), dim_ * 4));
  Value low = k_.address(table_, k_.mul(k_.add(k_.remUI(position, kLowAngles), highRows_), dim_ * 4));
  VectorType type = k_.vec(kChunk, k_.f32());
  Value minus = k_.constant(type, -1.0);
  cos_.clear();
  sin_.clear();
  // The last vector may run past the row: lanes that no pair uses, in memory that may be read.
  for (int64_t i = 0; i < half_; i += kChunk) {
    Value ca = k_.load(type, high, Value(), i * 4, 4), sa = k_.load(type, high, Value(), (half_ + i) * 4, 4);
    Value cb = k_.load(type, low, Value(), i * 4, 4), sb = k_.load(type, low, Value(), (half_ + i) * 4, 4);
    cos_.push_back(k_.fma(ca, cb, k_.mulF(k_.mulF(sa, sb), minus)));
    sin_.push_back(k_.fma(sa, cb, k_.mulF(ca, sb)));
  }
}

/// vector<16xf32> with `values`.
static Value literal(KernelBuilder &k, llvm::ArrayRef<float> values) {
  return arith::ConstantOp::create(k.b(), DenseElementsAttr::get(k.vec(values.size(), k.f32()), values));
}

Value RopeRotator::rotateChunk(llvm::ArrayRef<Value> head, int64_t first) {
  // y[j] = x[j] * cos + x[partner] * sign * sin
  llvm::SmallVector<int64_t> partner, angle;
  llvm::SmallVector<float> sign;
  for (int64_t j = first; j < first + kChunk; ++j) {
    bool rotates = j < dim_, isFirst = neox_ ? j < half_ : j % 2 == 0;
    int64_t distance = neox_ ? half_ : 1;
    partner.push_back(!rotates ? -1 : isFirst ? j + distance : j - distance);
    angle.push_back(!rotates ? -1 : neox_ ? j % half_ : j / 2);
    sign.push_back(isFirst ? -1.0f : 1.0f);
  }
  Value x = head[first / kChunk];
  if (first >= dim_)
    return x;
  Value other = permute(k_, head, partner);
  Value cos = permute(k_, cos_, angle), sin = permute(k_, sin_, angle);
  sin = k_.mulF(sin, literal(k_, sign));
  return keepFirst(k_, k_.fma(other, sin, k_.mulF(x, cos)), dim_ - first, x);
}

KernelBuilder::Values RopeRotator::rotate(llvm::ArrayRef<Value> head) {
  KernelBuilder::Values result;
  for (size_t i = 0; i < head.size(); ++i)
    result.push_back(rotateChunk(head, i * kChunk));
  return result;
}

// Outside kv_write the whole row is rotated into the frame first, because a chunk may need columns of another chunk.
void RegionEmitter::prepare(llm::RopeOp op, Value row) {
  const int64_t columns = llm::cols(op.getX().getType()), dim = op.getHeadDim();
  if (!op.getTable() || dim % kChunk != 0) {
    fail(op, op.getTable() ? "heads must be a multiple of 16 columns" : "it has no table of angles");
    return;
  }
  Value rotated = frameBytes(k_, columns * 4);
  RopeRotator rotator(k_, op, pointer(op.getTable()), pointer(op.getBatch()));
  rotator.setRow(row);
  k_.forEach(k_.c(0), k_.c(columns), dim, [&](Value first) {
    Values head;
    for (int64_t i = 0; i < dim; i += kChunk)
      head.push_back(chunk(op.getX(), row, k_.add(first, i)));
    for (auto [i, x] : llvm::enumerate(rotator.rotate(head)))
      k_.store(x, rotated, k_.mul(first, 4), i * kChunk * 4, 4);
  });
  prepared_[op.getResult()] = {rotated};
}

Value RegionEmitter::chunk(llm::RopeOp op, Value row, Value column) {
  llvm::SmallVector<Value> state = prepared_.lookup(op.getResult());
  if (state.empty())
    return fail(op, "its row was not prepared");
  return k_.load(k_.vec(kChunk, k_.f32()), state.front(), k_.mul(column, 4), 0, 4);
}

} // namespace llmc
