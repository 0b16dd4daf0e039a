// Tensor cores of the emulator: fragments of ldmatrix, stmatrix and mma.sync, from the PTX manual's layouts.
#include <cstring>

#include "tests/emulator/block.h"
#include "tests/emulator/element.h"

namespace llmc::emu {

/// ldmatrix and stmatrix: 8 x 8 matrices of 16-bit elements; lane 8*i+r gives the address of row r of matrix i.
void Block::matrixCopy(Fibre* lanes, WarpOp op) {
  const WarpRequest& first = lanes[0].request;
  const u32 count = first.b;
  const bool transpose = first.c != 0;
  for (u32 matrix = 0; matrix < count; ++matrix) {
    u16 element[8][8];
    for (u32 row = 0; row < 8 && op == WarpOp::kLoadMatrix; ++row)
      std::memcpy(element[row], shared_.get() + placeOf(lanes[0], lanes[matrix * 8 + row].request.a), 16);
    for (u32 lane = 0; lane < 32; ++lane) {
      const u32 row = lane / 4, column = lane % 4 * 2;
      u16* low = transpose ? &element[column][row] : &element[row][column];
      u16* high = transpose ? &element[column + 1][row] : &element[row][column + 1];
      if (op == WarpOp::kLoadMatrix) {
        lanes[lane].request.out[matrix] = (u32)*low | (u32)*high << 16;
      } else {
        *low = (u16)lanes[lane].request.first[matrix];
        *high = (u16)(lanes[lane].request.first[matrix] >> 16);
      }
    }
    for (u32 row = 0; row < 8 && op == WarpOp::kStoreMatrix; ++row)
      std::memcpy(shared_.get() + placeOf(lanes[0], lanes[matrix * 8 + row].request.a), element[row], 16);
  }
}

namespace {

constexpr u32 kMaxK = 64;

/// Element `index` of a packed register.
float unpackElement(u32 word, u32 index, Element type) {
  const u32 bits = elementBits(type);
  return elementValue(bits == 32 ? word : word >> (index * bits) & ((1u << bits) - 1), type);
}

/// A is 16 x k by rows: register r holds row g + 8*(r%2), from column (r/2)*4e + e*t on, e elements a register.
void gatherA(const Fibre* lanes, const MmaShape& shape, float (&a)[16][kMaxK]) {
  const u32 each = 32 / elementBits(shape.a), count = 16 * shape.k / 32 / each;
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 r = 0; r < count; ++r)
      for (u32 i = 0; i < each; ++i)
        a[lane / 4 + 8 * (r % 2)][r / 2 * 4 * each + each * (lane % 4) + i] =
            unpackElement(lanes[lane].request.first[r], i, shape.a);
}

/// B is k x 8 by columns: register r holds column g, from row r*4e + e*t on.
void gatherB(const Fibre* lanes, const MmaShape& shape, float (&b)[kMaxK][8]) {
  const u32 each = 32 / elementBits(shape.b), count = 8 * shape.k / 32 / each;
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 r = 0; r < count; ++r)
      for (u32 i = 0; i < each; ++i)
        b[r * 4 * each + each * (lane % 4) + i][lane / 4] = unpackElement(lanes[lane].request.second[r], i, shape.b);
}

/// Sums of f16 and f32 operands: products are exact in f32, the sum of one instruction is rounded once a product.
void multiply(const MmaShape& shape, const float (&a)[16][kMaxK], const float (&b)[kMaxK][8], float (&d)[16][8]) {
  for (u32 row = 0; row < 16; ++row)
    for (u32 k = 0; k < shape.k; ++k) {
      const float x = a[row][k];
      for (u32 column = 0; column < 8; ++column) d[row][column] += x * b[k][column];
    }
}

/// Integers are small enough that f32 holds their products, but not their sums.
void multiplyIntegers(const MmaShape& shape, const float (&a)[16][kMaxK], const float (&b)[kMaxK][8], s32 (&d)[16][8]) {
  for (u32 row = 0; row < 16; ++row)
    for (u32 k = 0; k < shape.k; ++k) {
      const s32 x = (s32)a[row][k];
      for (u32 column = 0; column < 8; ++column)
        d[row][column] = (s32)((u32)d[row][column] + (u32)(x * (s32)b[k][column]));
    }
}

/// The accumulators of a lane: rows g and g+8, columns 2t and 2t+1.
template <class Visit>
void accumulators(Fibre* lanes, Visit visit) {
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 i = 0; i < 4; ++i) visit(lanes[lane], i, lane / 4 + 8 * (i / 2), lane % 4 * 2 + i % 2);
}

}  // namespace

void Block::mma(Fibre* lanes) {
  const MmaShape& shape = *lanes[0].request.shape;
  float a[16][kMaxK], b[kMaxK][8];
  gatherA(lanes, shape, a);
  gatherB(lanes, shape, b);
  ++checks_.counters().mmas;
  if (shape.d == Element::kS32) {
    s32 d[16][8];
    accumulators(lanes, [&](Fibre& f, u32 i, u32 row, u32 column) { d[row][column] = (s32)f.request.third[i]; });
    multiplyIntegers(shape, a, b, d);
    accumulators(lanes, [&](Fibre& f, u32 i, u32 row, u32 column) { f.request.out[i] = (u32)d[row][column]; });
    return;
  }
  float d[16][8];
  const bool halves = shape.d == Element::kF16;
  accumulators(lanes, [&](Fibre& f, u32 i, u32 row, u32 column) {
    d[row][column] = halves ? unpackElement(f.request.third[i / 2], i % 2, Element::kF16)
                            : elementValue(f.request.third[i], Element::kF32);
  });
  multiply(shape, a, b, d);
  accumulators(lanes, [&](Fibre& f, u32 i, u32 row, u32 column) {
    if (!halves) {
      f.request.out[i] = __builtin_bit_cast(u32, d[row][column]);
    } else {
      u32& word = f.request.out[i / 2];
      const u32 half = toHalf(d[row][column]);
      word = i % 2 ? (word & 0xffff) | half << 16 : half;
    }
  });
}

}  // namespace llmc::emu
