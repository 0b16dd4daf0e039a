// Integer tiles: products of u8 weights and int8 activations, and group scales.
#include "codegen/cpu/matmul/TileEmitter.h"

#include "codegen/cpu/matmul/GroupScales.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace llmc {

TileEmitter::TileEmitter(KernelBuilder &kernel, const MatmulShape &shape, const MatmulConfig &config,
                         int64_t sumsStride)
    : k_(kernel), shape_(shape), config_(config), sumsStride_(sumsStride), xStride_(config.rowStride(shape)),
      lanes_(kernel.level().avx512 ? 16 : 8), halves_(16 / lanes_) {}

void TileEmitter::emit(const TilePlace &place) {
  switch (config_.style) {
  case TileStyle::Direct:
    return emitDirect(place);
  case TileStyle::Steps:
    return emitSteps(place);
  case TileStyle::Wide:
    return emitWide(place);
  case TileStyle::Words:
    return emitWords(place);
  case TileStyle::Float:
    return emitFloat(place);
  case TileStyle::Pairs:
    return emitPairs(place);
  }
}

/// With row scales the sums of the high nibbles are shifted anyway: the codes stay where they are.
bool TileEmitter::highSixteenfold() const { return config_.rowScales; }

bool TileEmitter::pairSums() const { return !k_.level().vnni && shape_.format().bits < 6; }

Type TileEmitter::sumType() { return pairSums() ? k_.vec(lanes_ * 2, k_.b().getI16Type()) : ints(); }

int64_t TileEmitter::halfScaleBytes() const {
  return kQuantGroup / shape_.format().group * kPanelRows * scaleBytes(shape_.layout);
}

TileEmitter::Group TileEmitter::groupAt(const TilePlace &place, Value g) {
  Layout layout = shape_.layout;
  Value base = k_.address(place.weights, k_.mul(k_.divUI(g, 2), superblockBytes(layout)));
  Value odd = k_.remUI(g, 2);
  Group group;
  group.lines = k_.address(base, k_.mul(odd, codeLines(layout) * kLineBytes));
  group.upper = k_.address(base, k_.mul(odd, upperLines(layout) * kLineBytes));
  group.upperDisp = upperOffset(layout, 0);
  group.scales = k_.address(base, k_.mul(odd, halfScaleBytes()));
  group.scalesDisp = scalesOffset(layout);
  group.header = headerOf(place, g);
  group.x = k_.address(place.x, k_.mul(g, kQuantGroup));
  group.index = k_.address(place.x, k_.mul(g, 4));
  group.pair = k_.address(place.x, k_.mul(g, 8));
  if (config_.rowScales)
    group.prepared = k_.address(place.rowScales, k_.mul(g, 4));
  return group;
}

Value TileEmitter::headerOf(const TilePlace &place, Value g) {
  if (!shape_.format().byteScales)
    return place.header;
  return k_.address(place.header, k_.mul(k_.divUI(g, kScaleBlock / kQuantGroup), headerBlockBytes(shape_.layout)));
}

Value TileEmitter::loadBytes(Value base, int64_t disp) { return k_.load(bytes(), base, Value(), disp, lanes_ * 4); }

Value TileEmitter::nibble(Value line, bool high) {
  Type type = line.getType();
  if (high) {
    // A shift of 16-bit lanes: LLVM would make one of bytes a vgf2p8affineqb, which takes the ports of the products.
    VectorType pairs = k_.vec(lanes_ * 2, k_.b().getI16Type());
    line = k_.bitcast(arith::ShRUIOp::create(k_.b(), k_.bitcast(line, pairs), k_.constant(pairs, 4)),
                      cast<VectorType>(type));
  }
  return arith::AndIOp::create(k_.b(), line, k_.constant(type, 15));
}

/// The lines of a group with the bits above the nibbles; none with 4 and 8 bits.
TileEmitter::Values TileEmitter::upperBits(const Group &group, int64_t half) {
  Values lines;
  for (int64_t line = 0; line < upperLines(shape_.layout); ++line)
    lines.push_back(loadBytes(group.upper, group.upperDisp + line * kLineBytes + half * lanes_ * 4));
  return lines;
}

/// Codes of 4-column step `step` of a group: nibbles under their upper bits, moved to bit 4 by shifts of 16-bit lanes
/// (what they carry over from a neighbouring byte never reaches bits 4 and 5).
Value TileEmitter::withUpper(Value nibbles, const Values &upper, int64_t step) {
  if (upper.empty())
    return nibbles;
  int64_t bits = upperLines(shape_.layout), shift = step * bits % 8 - 4;
  VectorType pairs = k_.vec(lanes_ * 2, k_.b().getI16Type());
  Value line = k_.bitcast(upper[step * bits / 8], pairs);
  if (shift > 0)
    line = arith::ShRUIOp::create(k_.b(), line, k_.constant(pairs, static_cast<double>(shift)));
  if (shift < 0)
    line = arith::ShLIOp::create(k_.b(), line, k_.constant(pairs, static_cast<double>(-shift)));
  Value bytesAt4 = k_.bitcast(line, bytes());
  bytesAt4 = arith::AndIOp::create(k_.b(), bytesAt4, k_.constant(bytes(), bits == 1 ? 0x10 : 0x30));
  return arith::OrIOp::create(k_.b(), nibbles, bytesAt4);
}

/// Four int8 of row `row` in every lane.
Value TileEmitter::activation(Value base, int64_t row, int64_t disp) {
  return k_.bitcast(k_.loadSplat(k_.i32(), lanes_, base, Value(), row * xStride_ + disp), bytes());
}

static Value maddPairs(KernelBuilder &k, Value pairs, int64_t lanes) {
  Value ones = k.constant(pairs.getType(), 1);
  return k.intrinsic(lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd", k.vec(lanes, k.i32()),
                     {pairs, ones});
}

/// sum + dot products of 4 bytes a lane. Codes below 64 cannot saturate vpmaddubsw (2 * 63 * 127), nor 8 steps of
/// nibbles or 4 of 5 bits (4 * 2 * 31 * 127) an i16; pairs of 6 bits are widened at once.
Value TileEmitter::dot(Value sum, Value weights, Value activations) {
  bool wide = k_.level().avx512;
  if (k_.level().vnni)
    return k_.intrinsic(wide ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256", ints(),
                        {sum, weights, activations});
  if (shape_.format().bits == 8)
    return signedDot(sum, weights, activations);
  Value pairs = k_.intrinsic(wide ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw",
                             k_.vec(lanes_ * 2, k_.b().getI16Type()), {weights, activations});
  return k_.add(sum, pairSums() ? pairs : maddPairs(k_, pairs, lanes_));
}

/// Byte weights without VNNI: |w| * (a with w's sign), exact for every byte; `weights` are stored + 128.
Value TileEmitter::signedDot(Value sum, Value weights, Value activations) {
  Value w = arith::XOrIOp::create(k_.b(), weights, k_.constant(bytes(), -128));
  Value magnitude, signedActivations;
  Type pairs = k_.vec(lanes_ * 2, k_.b().getI16Type());
  if (lanes_ == 8) {
    magnitude = k_.intrinsic("llvm.x86.avx2.psign.b", bytes(), {w, w});
    signedActivations = k_.intrinsic("llvm.x86.avx2.psign.b", bytes(), {activations, w});
    Value p = k_.intrinsic("llvm.x86.avx2.pmadd.ub.sw", pairs, {magnitude, signedActivations});
    return k_.add(sum, maddPairs(k_, p, lanes_));
  }
  Value zero = k_.constant(bytes(), 0);
  magnitude = LLVM::AbsOp::create(k_.b(), bytes(), w, false);
  Value negative = arith::CmpIOp::create(k_.b(), arith::CmpIPredicate::slt, w, zero);
  Value negated = arith::SubIOp::create(k_.b(), zero, activations);
  signedActivations = arith::SelectOp::create(k_.b(), negative, negated, activations);
  Value p = k_.intrinsic("llvm.x86.avx512.pmaddubs.w.512", pairs, {magnitude, signedActivations});
  return k_.add(sum, maddPairs(k_, p, lanes_));
}

/// f32 scales of a group, or of its first or last 16 columns (`part`), one vector a half.
TileEmitter::Values TileEmitter::groupScales(const Group &group, int64_t part) {
  Values scales;
  for (int64_t h = 0; h < halves_; ++h)
    scales.push_back(loadScales(k_, shape_.layout,
                                {group.scales, group.header, group.scalesDisp + part * kPanelRows, 0,
                                 group.factors.empty() ? Value() : group.factors[h]},
                                h * lanes_, lanes_));
  return scales;
}

TileEmitter::Values TileEmitter::groupMins(const Group &group) {
  Values mins;
  int64_t at = group.scalesDisp + minsOffset(shape_.layout) - scalesOffset(shape_.layout);
  for (int64_t h = 0; h < halves_; ++h)
    mins.push_back(loadScales(
        k_, shape_.layout,
        {group.scales, group.header, at, 2 * kPanelRows, group.factors.empty() ? Value() : group.factors[halves_ + h]},
        h * lanes_, lanes_));
  return mins;
}

TileEmitter::Scales TileEmitter::scalesOf(const Group &group) {
  Scales scales;
  scales.first = groupScales(group, 0);
  scales.second = shape_.format().group == 16 ? groupScales(group, 1) : scales.first;
  if (shape_.asymmetric() && !config_.rowScales)
    scales.mins = groupMins(group);
  return scales;
}

/// total + scale * (low * d0 + high * d1 + bias) [+ min * bias]: `low` and `high` are the sums of a group's first and
/// last 16 columns, d0 and d1 the scales of those activations. The bias takes the weights' zero point back out
/// (symmetric codes, stored bytes with VNNI) or carries the sum of the activations (asymmetric). Where 16 columns share
/// a scale each sum has its own, and its own bias.
Value TileEmitter::scaleSums(const Group &group, int64_t row, Value low, Value high, const Scales &scales, int64_t half,
                             Value total) {
  int64_t at = row * xStride_, scalesAt = static_cast<int64_t>(rt::quantizedScalesAt(shape_.k)),
          biasesAt = static_cast<int64_t>(rt::quantizedBiasesAt(shape_.k));
  auto value = [&](Value sum) -> Value {
    return arith::SIToFPOp::create(k_.b(), floats(), pairSums() ? maddPairs(k_, sum, lanes_) : sum);
  };
  auto perSixteen = [&](int64_t table, int64_t part) {
    return k_.loadSplat(k_.f32(), lanes_, group.pair, Value(), at + table + 2 * group.indexDisp + part * 4);
  };
  if (shape_.format().group == 16) {
    Value first = k_.fma(value(low), perSixteen(scalesAt, 0), perSixteen(biasesAt, 0));
    Value second = k_.fma(value(high), perSixteen(scalesAt, 1), perSixteen(biasesAt, 1));
    return k_.fma(second, scales.second[half], k_.fma(first, scales.first[half], total));
  }
  Value bias = k_.loadSplat(k_.f32(), lanes_, group.index, Value(), at + biasesAt + group.indexDisp);
  bool biased = !shape_.asymmetric() && (k_.level().vnni || shape_.format().bits < 8);
  Value inner = k_.mulF(value(low), perSixteen(scalesAt, 0));
  if (biased)
    inner = k_.fma(value(low), perSixteen(scalesAt, 0), bias);
  inner = k_.fma(value(high), perSixteen(scalesAt, 1), inner);
  total = k_.fma(inner, scales.first[half], total);
  return scales.mins.empty() ? total : k_.fma(scales.mins[half], bias, total);
}

/// The prepared scales of a group's two halves, and its bias where weights are symmetric, in all lanes.
TileEmitter::RowFactors TileEmitter::rowFactors(const Group &group, int64_t row) {
  RowScalesLayout layout(shape_);
  const int64_t at = row * layout.stride + group.indexDisp;
  RowFactors factors;
  factors.scales =
      k_.bitcast(k_.loadSplat(k_.i32(), lanes_, group.prepared, Value(), at), k_.vec(lanes_ * 2, k_.b().getI16Type()));
  if (!shape_.asymmetric())
    factors.bias = k_.loadSplat(k_.i32(), lanes_, group.prepared, Value(), at + layout.biases);
  return factors;
}

/// The same in units of the row (RowScales.h): both sums, 16 bits each, meet their scales in one instruction. VNNI
/// only.
Value TileEmitter::scaleByRow(const RowFactors &row, Value low, Value high, Value scale, Value total) {
  VectorType pairs = k_.vec(lanes_ * 2, k_.b().getI16Type());
  // (low & 0xffff) | high << 16. Said with plain operations it becomes a vpermt2w, which takes a port of the products.
  Value highPart = arith::ShLIOp::create(k_.b(), high, k_.constant(ints(), highSixteenfold() ? 12 : 16));
  Value select = k_.constant(k_.i32(), 0xec);
  Value both = k_.bitcast(
      k_.intrinsic("llvm.x86.avx512.pternlog.d.512", ints(), {low, highPart, k_.constant(ints(), 0xffff), select}),
      pairs);
  Value sum;
  if (!row.bias)
    sum = k_.intrinsic("llvm.x86.avx512.pmaddw.d.512", ints(), {both, row.scales});
  else // the sum starts at the bias: an addition less
    sum = k_.intrinsic("llvm.x86.avx512.vpdpwssd.512", ints(), {row.bias, both, row.scales});
  return k_.fma(arith::SIToFPOp::create(k_.b(), floats(), sum), scale, total);
}

/// By whichever scales the configuration has.
Value TileEmitter::scaleGroup(const Group &group, int64_t row, Value low, Value high, const Scales &scales,
                              int64_t half, Value total) {
  return config_.rowScales ? scaleByRow(rowFactors(group, row), low, high, scales.first[half], total)
                           : scaleSums(group, row, low, high, scales, half, total);
}

/// Sums over all groups of min * bias, in units of the rows: where the totals of asymmetric weights start.
TileEmitter::Values TileEmitter::minSums(const TilePlace &place) {
  RowScalesLayout layout(shape_);
  VectorType words = k_.vec(lanes_ * 2, k_.b().getI16Type());
  const int64_t rows = config_.tileRows, panels = config_.tilePanels, parts = panels * halves_;
  Values zeros(parts * rows, k_.constant(ints(), 0));
  auto product = [&](Value sum, Value a, Value b) -> Value {
    if (k_.level().avx512)
      return k_.intrinsic("llvm.x86.avx512.vpdpwssd.512", ints(), {sum, a, b});
    return k_.add(sum, k_.intrinsic("llvm.x86.avx2.pmadd.wd", ints(), {a, b}));
  };
  Values sums = k_.forLoop(k_.c(0), k_.c(shape_.groups() / 2), 1, zeros, [&](Value pair, ValueRange carried) {
    Values next(carried), mins;
    for (int64_t part = 0; part < parts; ++part)
      mins.push_back(k_.load(words, place.mins, k_.mul(pair, kLineBytes), minPartAt(part), lanes_ * 4));
    Value at = k_.address(place.rowScales, k_.mul(pair, 4));
    for (int64_t row = 0; row < rows; ++row) {
      Value biases =
          k_.bitcast(k_.loadSplat(k_.i32(), lanes_, at, Value(), row * layout.stride + layout.biases), words);
      for (int64_t part = 0; part < parts; ++part) {
        Value &sum = next[sumIndex(row, part)];
        sum = product(sum, mins[part], biases);
      }
    }
    return next;
  });
  for (int64_t part = 0; part < parts; ++part) {
    Value units = k_.load(floats(), place.mins, Value(), minPartAt(part) + minSumUnitsAt(shape_), lanes_ * 4);
    for (int64_t row = 0; row < rows; ++row) {
      Value ratio = k_.loadSplat(k_.f32(), lanes_, place.rowScales, Value(), row * layout.stride + layout.unit + 4);
      Value &sum = sums[sumIndex(row, part)];
      sum = k_.mulF(k_.mulF(arith::SIToFPOp::create(k_.b(), floats(), sum), units), ratio);
    }
  }
  return sums;
}

TileEmitter::Values TileEmitter::codeLinesOf(const Group &group, int64_t half) {
  Values lines;
  for (int64_t line = 0; line < codeLines(shape_.layout); ++line)
    lines.push_back(loadBytes(group.lines, group.linesDisp + line * kLineBytes + half * lanes_ * 4));
  return lines;
}

/// The codes in the high nibbles of line `line` of a group.
Value TileEmitter::highCodes(Value codes, const Values &upper, int64_t line) {
  if (highSixteenfold())
    return arith::AndIOp::create(k_.b(), codes, k_.constant(bytes(), -16));
  return withUpper(nibble(codes, true), upper, line + 4);
}

/// A group's codes as bytes, one vector for each step of 4 columns, in the lanes that `lines` and `upper` have.
TileEmitter::Values TileEmitter::groupCodes(const Values &lines, const Values &upper) {
  Values codes = lines;
  int64_t count = static_cast<int64_t>(lines.size());
  if (count == 8)
    return codes;
  for (int64_t line = 0; line < count; ++line) {
    codes[line] = withUpper(nibble(lines[line], false), upper, line);
    codes.push_back(highCodes(lines[line], upper, line));
  }
  return codes;
}

/// Where the f32 sum of a panel, row and half lies behind TilePlace::sums.
int64_t TileEmitter::totalAt(int64_t index) const {
  int64_t half = index % halves_, row = index / halves_ % config_.tileRows, panel = index / halves_ / config_.tileRows;
  return row * sumsStride_ + panel * kPanelRows * 4 + half * lanes_ * 4;
}

TileEmitter::Values TileEmitter::loadTotals(const TilePlace &place) {
  if (config_.preparesMins(shape_))
    return minSums(place);
  Values totals;
  for (int64_t i = 0; i < config_.tilePanels * config_.tileRows * halves_; ++i)
    totals.push_back(accumulates() ? k_.load(floats(), place.sums, Value(), totalAt(i), 32)
                                   : k_.constant(floats(), 0.0));
  return totals;
}

/// The units of the tile's rows, in all lanes.
TileEmitter::Values TileEmitter::rowUnits(const TilePlace &place) {
  RowScalesLayout layout(shape_);
  Values units;
  for (int64_t row = 0; row < config_.tileRows; ++row)
    units.push_back(k_.loadSplat(k_.f32(), lanes_, place.rowScales, Value(), row * layout.stride + layout.unit));
  return units;
}

void TileEmitter::storeTotals(const TilePlace &place, Values totals) {
  Values units = config_.rowScales ? rowUnits(place) : Values();
  for (int64_t row = 0; row < std::ssize(units); ++row)
    for (int64_t part = 0; part < config_.tilePanels * halves_; ++part) {
      Value &total = totals[sumIndex(row, part)];
      total = k_.mulF(total, units[row]);
    }
  for (auto [i, total] : llvm::enumerate(totals))
    k_.store(total, place.sums, Value(), totalAt(static_cast<int64_t>(i)), 32);
}

} // namespace llmc
