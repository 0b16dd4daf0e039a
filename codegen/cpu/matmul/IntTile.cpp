// Integer tiles: products of u8 weights and int8 activations, group scales, and the Direct loop nest.
#include "codegen/cpu/matmul/TileEmitter.h"

#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace llmc {

TileEmitter::TileEmitter(KernelBuilder &kernel, const MatmulShape &shape, const MatmulConfig &config,
                         int64_t sumsStride)
    : k_(kernel), shape_(shape), config_(config), sumsStride_(sumsStride), xStride_(shape.xStride()),
      lanes_(kernel.level().avx512 ? 16 : 8), halves_(16 / lanes_) {}

void TileEmitter::emit(const TilePlace &place) {
  switch (config_.style) {
  case TileStyle::Direct:
    return emitDirect(place);
  case TileStyle::Steps:
    return emitSteps(place);
  case TileStyle::Float:
    return emitFloat(place);
  }
}

bool TileEmitter::pairSums() const { return !k_.level().vnni && shape_.fourBit(); }

Type TileEmitter::sumType() { return pairSums() ? k_.vec(lanes_ * 2, k_.b().getI16Type()) : ints(); }

TileEmitter::Group TileEmitter::groupAt(const TilePlace &place, Value g) {
  int64_t block = superblockBytes(shape_.layout), half = shape_.fourBit() ? 4 * kLineBytes : 8 * kLineBytes;
  Value base = k_.address(place.weights, k_.mul(k_.divUI(g, 2), block));
  Value odd = k_.remUI(g, 2);
  Group group;
  group.lines = k_.address(base, k_.mul(odd, half));
  group.scales = k_.address(base, k_.mul(odd, kPanelRows * 2));
  group.scalesDisp = scalesOffset(shape_.layout);
  group.x = k_.address(place.x, k_.mul(g, kQuantGroup));
  group.index = k_.address(place.x, k_.mul(g, 4));
  group.pair = k_.address(place.x, k_.mul(g, 8));
  if (config_.rowScales)
    group.prepared = k_.address(place.rowScales, k_.mul(g, 4));
  return group;
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

/// Four int8 of row `row` in every lane.
Value TileEmitter::activation(Value base, int64_t row, int64_t disp) {
  return k_.bitcast(k_.loadSplat(k_.i32(), lanes_, base, Value(), row * xStride_ + disp), bytes());
}

/// sum + dot products of 4 bytes a lane. Nibbles cannot saturate vpmaddubsw (15 * 127 * 2), nor 8 steps an i16.
Value TileEmitter::dot(Value sum, Value weights, Value activations) {
  bool wide = k_.level().avx512;
  if (k_.level().vnni)
    return k_.intrinsic(wide ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256", ints(),
                        {sum, weights, activations});
  if (!pairSums())
    return signedDot(sum, weights, activations);
  Value pairs = k_.intrinsic(wide ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw", sumType(),
                             {weights, activations});
  return k_.add(sum, pairs);
}

static Value maddPairs(KernelBuilder &k, Value pairs, int64_t lanes) {
  Value ones = k.constant(pairs.getType(), 1);
  return k.intrinsic(lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd", k.vec(lanes, k.i32()),
                     {pairs, ones});
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

/// f32 scales (extra = 0) or mins (extra = 64) of a group, one vector a half.
TileEmitter::Values TileEmitter::groupScales(const Group &group, int64_t extra) {
  Values scales;
  for (int64_t h = 0; h < halves_; ++h)
    scales.push_back(k_.extF(k_.load(k_.vec(lanes_, k_.f16()), group.scales, Value(),
                                     group.scalesDisp + extra + h * lanes_ * 2, lanes_ * 2)));
  return scales;
}

/// total + scale * (low * d0 + high * d1 + bias) [+ min * bias]: `low` and `high` are the sums of a group's first and
/// last 16 columns, d0 and d1 the scales of those activations. The bias takes the weights' zero point back out
/// (symmetric nibbles, stored bytes with VNNI) or carries the sum of the activations (asymmetric).
Value TileEmitter::scaleSums(const Group &group, int64_t row, Value low, Value high, Value scale, Value min,
                             Value total) {
  int64_t at = row * xStride_, scalesAt = static_cast<int64_t>(rt::quantizedScalesAt(shape_.k));
  Value bias = k_.loadSplat(k_.f32(), lanes_, group.index, Value(),
                            at + static_cast<int64_t>(rt::quantizedBiasesAt(shape_.k)) + group.indexDisp);
  auto value = [&](Value sum) -> Value {
    return arith::SIToFPOp::create(k_.b(), floats(), pairSums() ? maddPairs(k_, sum, lanes_) : sum);
  };
  auto activationScale = [&](int64_t half) {
    return k_.loadSplat(k_.f32(), lanes_, group.pair, Value(), at + scalesAt + 2 * group.indexDisp + half * 4);
  };
  bool biased = !shape_.asymmetric() && (k_.level().vnni || shape_.fourBit());
  Value inner = biased ? k_.fma(value(low), activationScale(0), bias) : k_.mulF(value(low), activationScale(0));
  inner = k_.fma(value(high), activationScale(1), inner);
  total = k_.fma(inner, scale, total);
  return min ? k_.fma(min, bias, total) : total;
}

/// The same in units of the row (RowScales.h): both sums, 16 bits each, meet their scales in one vpmaddwd. VNNI only.
Value TileEmitter::scaleByRow(const Group &group, int64_t row, Value low, Value high, Value scale, Value total) {
  RowScalesLayout layout(shape_);
  int64_t at = row * layout.stride + group.indexDisp;
  VectorType pairs = k_.vec(lanes_ * 2, k_.b().getI16Type());
  // (low & 0xffff) | high << 16. Said with plain operations it becomes a vpermt2w, which takes a port of the products.
  Value highPart = arith::ShLIOp::create(k_.b(), high, k_.constant(ints(), 16));
  Value select = k_.constant(k_.i32(), 0xec);
  Value both = k_.bitcast(
      k_.intrinsic("llvm.x86.avx512.pternlog.d.512", ints(), {low, highPart, k_.constant(ints(), 0xffff), select}),
      pairs);
  Value scales = k_.bitcast(k_.loadSplat(k_.i32(), lanes_, group.prepared, Value(), at), pairs);
  Value sum = k_.intrinsic("llvm.x86.avx512.pmaddw.d.512", ints(), {both, scales});
  if (!shape_.asymmetric())
    sum = k_.add(sum, k_.loadSplat(k_.i32(), lanes_, group.prepared, Value(), at + layout.biases));
  return k_.fma(arith::SIToFPOp::create(k_.b(), floats(), sum), scale, total);
}

/// Sums over all groups of min * bias, in units of the rows: where the totals of asymmetric weights start.
TileEmitter::Values TileEmitter::minSums(const TilePlace &place) {
  RowScalesLayout layout(shape_);
  VectorType words = k_.vec(lanes_ * 2, k_.b().getI16Type());
  Values zeros(config_.tileRows, k_.constant(ints(), 0));
  Values sums = k_.forLoop(k_.c(0), k_.c(shape_.groups() / 2), 1, zeros, [&](Value pair, ValueRange carried) {
    Values next(carried);
    Value mins = k_.load(words, place.mins, k_.mul(pair, kLineBytes), 0, 64);
    Value at = k_.address(place.rowScales, k_.mul(pair, 4));
    for (int64_t row = 0; row < config_.tileRows; ++row) {
      Value biases = k_.loadSplat(k_.i32(), lanes_, at, Value(), row * layout.stride + layout.biases);
      next[row] = k_.intrinsic("llvm.x86.avx512.vpdpwssd.512", ints(), {next[row], mins, k_.bitcast(biases, words)});
    }
    return next;
  });
  Value units = k_.load(floats(), place.mins, Value(), minSumUnitsAt(shape_), 64);
  for (int64_t row = 0; row < config_.tileRows; ++row) {
    Value ratio = k_.loadSplat(k_.f32(), lanes_, place.rowScales, Value(), row * layout.stride + layout.unit + 4);
    sums[row] = k_.mulF(k_.mulF(arith::SIToFPOp::create(k_.b(), floats(), sums[row]), units), ratio);
  }
  return sums;
}

void TileEmitter::prefetchGroup(const Group &group) {
  if (!config_.prefetchBytes)
    return;
  // A superblock's scales lie behind its second half; each group fetches its lines, the odd half of the scales too.
  int64_t lines = shape_.fourBit() ? 4 : 8;
  for (int64_t line = 0; line < lines; ++line)
    k_.prefetch(group.lines, Value(), config_.prefetchBytes + group.linesDisp + line * kLineBytes);
  k_.prefetch(group.scales, Value(), config_.prefetchBytes + group.scalesDisp);
  if (shape_.asymmetric())
    k_.prefetch(group.scales, Value(), config_.prefetchBytes + group.scalesDisp + 64);
}

void TileEmitter::directGroup(const Group &group, Values &totals) {
  prefetchGroup(group);
  llvm::SmallVector<Values> weights(halves_); // [half][step]
  for (int64_t h = 0; h < halves_; ++h) {
    int64_t lines = shape_.fourBit() ? 4 : 8;
    for (int64_t line = 0; line < lines; ++line)
      weights[h].push_back(loadBytes(group.lines, group.linesDisp + line * kLineBytes + h * lanes_ * 4));
    for (int64_t line = 0; shape_.fourBit() && line < lines; ++line) {
      Value both = weights[h][line];
      weights[h][line] = nibble(both, false);
      weights[h].push_back(nibble(both, true));
    }
  }
  Values scales = groupScales(group, 0), mins;
  if (shape_.asymmetric() && !config_.rowScales)
    mins = groupScales(group, 64);
  for (int64_t row = 0; row < config_.tileRows; ++row) {
    Values sums[2]; // columns 0-15 and 16-31 have their own activation scale
    for (Values &half : sums)
      half.assign(halves_, k_.constant(sumType(), 0));
    for (int64_t step = 0; step < 8; ++step) {
      Value x = activation(group.x, row, group.xDisp + step * 4);
      for (int64_t h = 0; h < halves_; ++h) {
        Value &sum = sums[step / 4][h];
        sum = dot(sum, weights[h][step], x);
      }
    }
    for (int64_t h = 0; h < halves_; ++h) {
      Value &total = totals[row * halves_ + h];
      Value min = mins.empty() ? Value() : mins[h];
      total = config_.rowScales ? scaleByRow(group, row, sums[0][h], sums[1][h], scales[h], total)
                                : scaleSums(group, row, sums[0][h], sums[1][h], scales[h], min, total);
    }
  }
}

void TileEmitter::emitDirect(const TilePlace &place) {
  int64_t perIter = config_.groupsPerIter;
  Values totals = loadTotals(place);
  totals = k_.forLoop(place.groupBegin, place.groupEnd, perIter, totals, [&](Value g, ValueRange carried) {
    Values next(carried.begin(), carried.end());
    if (perIter == 1) {
      directGroup(groupAt(place, g), next);
      return next;
    }
    Group group;
    group.lines = group.scales = k_.address(place.weights, k_.mul(k_.divUI(g, 2), superblockBytes(shape_.layout)));
    group.x = k_.address(place.x, k_.mul(g, kQuantGroup));
    group.index = k_.address(place.x, k_.mul(g, 4));
    group.pair = k_.address(place.x, k_.mul(g, 8));
    if (config_.rowScales)
      group.prepared = k_.address(place.rowScales, k_.mul(g, 4));
    for (int64_t half = 0; half < 2; ++half) {
      group.linesDisp = half * (shape_.fourBit() ? 4 : 8) * kLineBytes;
      group.scalesDisp = scalesOffset(shape_.layout) + half * kPanelRows * 2;
      group.xDisp = half * kQuantGroup;
      group.indexDisp = half * 4;
      directGroup(group, next);
    }
    return next;
  });
  storeTotals(place, totals);
}

TileEmitter::Values TileEmitter::loadTotals(const TilePlace &place) {
  if (config_.rowScales && shape_.asymmetric())
    return minSums(place);
  Values totals;
  for (int64_t row = 0; row < config_.tileRows; ++row)
    for (int64_t h = 0; h < halves_; ++h)
      totals.push_back(accumulates() ? k_.load(floats(), place.sums, Value(), row * sumsStride_ + h * lanes_ * 4, 32)
                                     : k_.constant(floats(), 0.0));
  return totals;
}

void TileEmitter::storeTotals(const TilePlace &place, Values totals) {
  RowScalesLayout layout(shape_);
  for (int64_t row = 0; config_.rowScales && row < config_.tileRows; ++row) {
    Value unit = k_.loadSplat(k_.f32(), lanes_, place.rowScales, Value(), row * layout.stride + layout.unit);
    totals[row] = k_.mulF(totals[row], unit);
  }
  for (int64_t row = 0; row < config_.tileRows; ++row)
    for (int64_t h = 0; h < halves_; ++h)
      k_.store(totals[row * halves_ + h], place.sums, Value(), row * sumsStride_ + h * lanes_ * 4, 32);
}

} // namespace llmc
