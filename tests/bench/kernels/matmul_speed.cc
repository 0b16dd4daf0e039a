// Random weights with scales that neither overflow nor go denormal.
#include "tests/bench/kernels/matmul_speed.h"

#include "tests/bench/kernels/ceilings.h"
#include <cstring>
#include <random>

namespace llmc {

int64_t rowClass(int rows) {
  for (int64_t mMax : kRowClasses)
    if (mMax != 0 && rows <= mMax)
      return mMax;
  return 0;
}

/// Random bytes with small positive f16 scales: nothing denormal, nothing infinite.
static void fillWeights(uint8_t *data, size_t bytes, const MatmulShape &shape) {
  std::mt19937_64 random(1);
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t v = random();
    if (!isQuantized(shape.layout))
      v &= 0x3fff3fff3fff3fffull & ~0x4000400040004000ull;
    std::memcpy(data + i, &v, 8);
  }
  if (!isQuantized(shape.layout))
    return;
  int64_t block = superblockBytes(shape.layout), scales = scalesOffset(shape.layout);
  for (size_t at = 0; at + static_cast<size_t>(block) <= bytes; at += static_cast<size_t>(block))
    for (int64_t i = scales; i < block; i += 2)
      data[at + static_cast<size_t>(i) + 1] = 0x20;
}

double secondsOfProduct(BuiltMatmul &kernel, const MatmulShape &shape, int rows, size_t copies, int work) {
  size_t bytes = static_cast<size_t>(packedBytes(shape.layout, shape.n, shape.k));
  Buffer weights(bytes * copies + 8192);
  fillWeights(weights.data(), bytes * copies, shape);
  TestActivations x(shape, rows, 3);
  Buffer out(static_cast<size_t>(rows) * rt::rowStrideBytes(static_cast<uint64_t>(shape.n) * 4) + 4096);
  Buffer scratch(static_cast<size_t>(matmulScratchBytes(shape)));
  int32_t count = rows;
  uint64_t words[5] = {reinterpret_cast<uint64_t>(x.bytes.data()), 0, reinterpret_cast<uint64_t>(out.data()),
                       reinterpret_cast<uint64_t>(&count), reinterpret_cast<uint64_t>(scratch.data())};
  size_t next = 0;
  auto product = [&] {
    for (int i = 0; i < work; ++i) {
      words[1] = reinterpret_cast<uint64_t>(weights.data() + bytes * (next++ % copies));
      kernel.runWorker(words, 0, 1);
    }
  };
  double once = typicalSeconds(0.0, product);
  size_t calls = copies > 1 ? copies : std::max<size_t>(1, static_cast<size_t>(50e-6 / once));
  double all = typicalSeconds(copies > 1 ? 0.4 : 0.15, [&] {
    for (size_t i = 0; i < calls; ++i)
      product();
  });
  return all / static_cast<double>(calls);
}

} // namespace llmc
