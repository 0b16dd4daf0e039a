// llm.embed: one row of a packed table, read across the lanes of its panel.
#include "codegen/cpu/RegionEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "codegen/registry/PackedLayout.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

static WeightKind kindOf(llm::QuantKind kind) {
  switch (kind) {
  case llm::QuantKind::F32:
    return WeightKind::F32;
  case llm::QuantKind::F16:
    return WeightKind::F16;
  case llm::QuantKind::BF16:
    return WeightKind::BF16;
  case llm::QuantKind::I8:
    return WeightKind::I8;
  case llm::QuantKind::I4:
    return WeightKind::I4;
  }
  return WeightKind::F32;
}

static Layout layoutOf(llm::WeightType type) {
  return layoutFor(kindOf(type.getQuant().getKind()), type.getQuant().getSymmetric());
}

void RegionEmitter::prepare(llm::EmbedOp op, Value row) {
  Layout layout = layoutOf(cast<llm::WeightType>(op.getTable().getType()));
  int64_t columns = cast<llm::WeightType>(op.getTable().getType()).cols();
  Value ids = k_.batchPtr(pointer(op.getBatch()), offsetof(rt::Batch, tokenIds));
  Value id = k_.loadIndex(ids, row);
  Value panel = k_.address(pointer(op.getTable()), k_.mul(k_.divUI(id, kPanelRows), panelBytes(layout, columns)));
  prepared_[op.getResult()] = {panel, k_.remUI(id, kPanelRows)};
}

/// 16 consecutive columns of a float layout; `lane` is the row within the panel.
static Value gatherFloats(KernelBuilder &k, Layout layout, Value panel, Value lane, Value column) {
  if (layout == Layout::F32N16)
    return gatherStrided(k, k.f32(), kChunk, k.address(k.address(panel, k.mul(lane, 4)), k.mul(column, 64)), 64);
  if (layout == Layout::F16N16) {
    Value first = k.address(k.address(panel, k.mul(lane, 2)), k.mul(column, 32));
    return k.extF(gatherStrided(k, k.f16(), kChunk, first, 32));
  }
  // Two columns a dword: even in the high half, odd in the low one.
  Value pairs = gatherStrided(k, k.i32(), 8, k.address(k.address(panel, k.mul(lane, 4)), k.mul(column, 32)), 64);
  Value even = arith::AndIOp::create(k.b(), pairs, k.constant(pairs.getType(), -65536.0));
  Value odd = arith::ShLIOp::create(k.b(), pairs, k.constant(pairs.getType(), 16));
  llvm::SmallVector<int64_t> interleave;
  for (int64_t i = 0; i < 8; ++i)
    interleave.append({i, i + 8});
  Value bits = vector::ShuffleOp::create(k.b(), even, odd, interleave);
  return k.bitcast(bits, k.vec(kChunk, k.f32()));
}

/// 16 consecutive codes of a quantized layout as f32, zero point not yet applied.
static Value gatherCodes(KernelBuilder &k, Layout layout, Value superblock, Value lane, Value column) {
  Value base = k.address(superblock, k.mul(lane, 4));
  Value bytes;
  if (layout == Layout::Q8N16K4) {
    Value lines = gatherStrided(k, k.i32(), 4, k.address(base, k.mul(column, 16)), 64);
    bytes = k.bitcast(lines, k.vec(kChunk, k.i8()));
  } else {
    // Half h of the superblock is lines 4h..4h+3: 16 columns in the low nibbles, the next 16 in the high ones.
    Value lines = gatherStrided(k, k.i32(), 4, k.address(base, k.mul(k.divUI(column, 32), 256)), 64);
    Value shift = k.mul(k.remUI(k.divUI(column, kChunk), 2), 4);
    Value shifts = k.splat(arith::TruncIOp::create(k.b(), k.i32(), shift), 4);
    Value nibbles = k.bitcast(arith::ShRUIOp::create(k.b(), lines, shifts), k.vec(kChunk, k.i8()));
    bytes = arith::AndIOp::create(k.b(), nibbles, k.constant(nibbles.getType(), 15));
  }
  Value wide = arith::ExtUIOp::create(k.b(), k.vec(kChunk, k.i32()), bytes);
  return arith::SIToFPOp::create(k.b(), k.vec(kChunk, k.f32()), wide);
}

/// f16 at `at` + 32 * group + 2 * lane, splat as f32.
static Value groupValue(KernelBuilder &k, Value at, int64_t offset, Value group, Value lane) {
  Value place = k.add(k.mul(group, 2 * kPanelRows), k.mul(lane, 2));
  return k.splat(k.extF(k.load(k.f16(), at, place, offset, 2)), kChunk);
}

Value RegionEmitter::chunk(llm::EmbedOp op, Value row, Value column) {
  llvm::SmallVector<Value> state = prepared_.lookup(op.getResult());
  if (state.empty())
    return fail(op, "its row was not prepared");
  Layout layout = layoutOf(cast<llm::WeightType>(op.getTable().getType()));
  Value panel = state[0], lane = state[1];
  Type type = k_.vec(kChunk, k_.f32());
  Value x;
  if (isQuantized(layout)) {
    Value at = k_.address(panel, k_.mul(k_.divUI(column, kSuperblockCols), superblockBytes(layout)));
    Value within = k_.remUI(column, kSuperblockCols), group = k_.divUI(within, kQuantGroup);
    Value codes = gatherCodes(k_, layout, at, lane, within);
    Value scale = groupValue(k_, at, scalesOffset(layout), group, lane);
    if (layout == Layout::Q4N16K4Asym)
      x = k_.fma(codes, scale, groupValue(k_, at, minsOffset(layout), group, lane));
    else
      x = k_.mulF(k_.subF(codes, k_.constant(type, layout == Layout::Q8N16K4 ? 128 : 8)), scale);
  } else {
    x = gatherFloats(k_, layout, panel, lane, column);
  }
  return op.getScale() == 1.0 ? x : k_.mulF(x, k_.constant(type, op.getScale()));
}

} // namespace llmc
