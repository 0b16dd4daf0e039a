// llm.embed: one row of a packed table, read across the lanes of its panel.
#include "codegen/cpu/RegionEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "codegen/registry/WeightLayout.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

static Layout layoutOf(llm::WeightType type) { return layoutFor(type.getQuant()); }

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

/// 16 consecutive codes of a quantized layout as f32, zero point not yet applied; `column` is in the superblock.
static Value gatherCodes(KernelBuilder &k, Layout layout, Value superblock, Value lane, Value column) {
  Value base = k.address(superblock, k.mul(lane, 4));
  VectorType lineBytes = k.vec(kChunk, k.i8());
  Value bytes, half = k.divUI(column, kQuantGroup), part = k.remUI(k.divUI(column, kChunk), 2);
  auto shifted = [&](Value lines, Value shift) {
    Value shifts = k.splat(arith::TruncIOp::create(k.b(), k.i32(), shift), 4);
    return k.bitcast(arith::ShRUIOp::create(k.b(), lines, shifts), lineBytes);
  };
  if (quantFormat(layout).bits == 8) {
    Value lines = gatherStrided(k, k.i32(), 4, k.address(base, k.mul(column, 16)), 64);
    bytes = k.bitcast(lines, lineBytes);
  } else {
    // Half h of the superblock is lines 4h..4h+3: 16 columns in the low nibbles, the next 16 in the high ones.
    Value lines = gatherStrided(k, k.i32(), 4, k.address(base, k.mul(half, 4 * kLineBytes)), 64);
    bytes = arith::AndIOp::create(k.b(), shifted(lines, k.mul(part, 4)), k.constant(lineBytes, 15));
  }
  if (int64_t bits = upperLines(layout)) {
    // A dword a row: bits of 4 columns each in the bytes, of the next 4 columns further up (5 bits: of both parts).
    Value at = k.address(base, k.mul(half, bits * kLineBytes), upperOffset(layout, 0));
    Value from = bits == 1 ? k.mul(part, 4) : k.c(0);
    if (bits == 2)
      at = k.address(at, k.mul(part, kLineBytes));
    Value dword = k.load(k.i32(), at, Value(), 0, 4);
    Value steps = arith::ConstantOp::create(
        k.b(), DenseElementsAttr::get(k.vec(4, k.i32()), llvm::ArrayRef<int32_t>{0, static_cast<int32_t>(bits),
                                                                                 static_cast<int32_t>(2 * bits),
                                                                                 static_cast<int32_t>(3 * bits)}));
    Value shifts = arith::AddIOp::create(k.b(), steps, k.splat(arith::TruncIOp::create(k.b(), k.i32(), from), 4));
    Value upper = arith::ShRUIOp::create(k.b(), k.splat(dword, 4), shifts);
    upper = arith::AndIOp::create(k.b(), k.bitcast(upper, lineBytes), k.constant(lineBytes, (1 << bits) - 1));
    upper = arith::ShLIOp::create(k.b(), upper, k.constant(lineBytes, 4));
    bytes = arith::OrIOp::create(k.b(), bytes, upper);
  }
  Value wide = arith::ExtUIOp::create(k.b(), k.vec(kChunk, k.i32()), bytes);
  return arith::SIToFPOp::create(k.b(), k.vec(kChunk, k.f32()), wide);
}

/// A scale or min as f32: number `index` of lane `lane` in the table at `at` + `offset`, times the f16 at `header`
/// when the table is of bytes.
static Value groupValue(KernelBuilder &k, Layout layout, Value at, int64_t offset, Value index, Value lane,
                        Value header) {
  Value place = k.mul(k.add(k.mul(index, kPanelRows), lane), scaleBytes(layout));
  if (!quantFormat(layout).byteScales)
    return k.extF(k.load(k.f16(), at, place, offset, 2));
  Value byte = k.load(k.i8(), at, place, offset, 1);
  Value wide = quantFormat(layout).asymmetric ? arith::ExtUIOp::create(k.b(), k.i32(), byte).getResult()
                                              : arith::ExtSIOp::create(k.b(), k.i32(), byte).getResult();
  return k.mulF(arith::SIToFPOp::create(k.b(), k.f32(), wide), k.extF(k.load(k.f16(), header, Value(), 0, 2)));
}

/// 16 columns of a quantized layout.
static Value gatherQuantized(KernelBuilder &k, Layout layout, int64_t columns, Value panel, Value lane, Value column) {
  QuantFormat format = quantFormat(layout);
  VectorType type = k.vec(kChunk, k.f32());
  Value at =
      k.address(panel, k.mul(k.divUI(column, kSuperblockCols), superblockBytes(layout)), headerBytes(layout, columns));
  Value header = k.address(panel, k.add(k.mul(k.divUI(column, kScaleBlock), headerBlockBytes(layout)), k.mul(lane, 2)));
  Value within = k.remUI(column, kSuperblockCols);
  Value codes = gatherCodes(k, layout, at, lane, within);
  Value scale = groupValue(k, layout, at, scalesOffset(layout), k.divUI(within, format.group), lane, header);
  scale = k.splat(scale, kChunk);
  if (!format.asymmetric)
    return k.mulF(k.subF(codes, k.constant(type, static_cast<double>(format.zero))), scale);
  Value min = groupValue(k, layout, at, minsOffset(layout), k.divUI(within, kQuantGroup), lane,
                         k.address(header, Value(), 2 * kPanelRows));
  return k.fma(codes, scale, k.splat(min, kChunk));
}

Value RegionEmitter::chunk(llm::EmbedOp op, Value row, Value column) {
  llvm::SmallVector<Value> state = prepared_.lookup(op.getResult());
  if (state.empty())
    return fail(op, "its row was not prepared");
  auto table = cast<llm::WeightType>(op.getTable().getType());
  Layout layout = layoutOf(table);
  Value x = isQuantized(layout) ? gatherQuantized(k_, layout, table.cols(), state[0], state[1], column)
                                : gatherFloats(k_, layout, state[0], state[1], column);
  return op.getScale() == 1.0 ? x : k_.mulF(x, k_.constant(k_.vec(kChunk, k_.f32()), op.getScale()));
}

} // namespace llmc
