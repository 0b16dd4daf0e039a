// Speed of matrix product kernels on one core: GB/s of weights for one row, GOP/s for more, against the core's
// ceilings. Usage: matmul_bench [level substring [layout substring [M]]]
#include "tests/bench/kernels/ceilings.h"
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "runtime/device/cpu_features.h"
#include <cstdio>
#include <cstring>
#include <random>

namespace llmc {
namespace {

struct Shape {
  int64_t n, k;
};
const Shape kShapes[] = {{960, 576}, {576, 576}, {3072, 576}, {576, 1536}, {4096, 4096}, {49152, 576}};
struct Kind {
  Layout layout;
  ActKind act;
};
const Kind kKinds[] = {{Layout::Q4N16K4Asym, ActKind::Int8}, {Layout::Q8N16K4, ActKind::Int8},
                       {Layout::Q4N16K4Sym, ActKind::Int8},  {Layout::BF16N16K2, ActKind::F32},
                       {Layout::F16N16, ActKind::F32},       {Layout::F32N16, ActKind::F32},
                       {Layout::Q4N16K4Asym, ActKind::F32},  {Layout::Q8N16K4, ActKind::F32}};
const int kRowCounts[] = {1, 2, 4, 8, 16, 64, 512};
constexpr size_t kDramBytes = 256u << 20;

int64_t classOf(int rows) {
  for (int64_t mMax : kRowClasses)
    if (mMax != 0 && rows <= mMax)
      return mMax;
  return 0;
}

/// Random bytes with small positive f16 scales: nothing denormal, nothing infinite.
void fillWeights(uint8_t *data, size_t bytes, const MatmulShape &shape) {
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

/// Seconds a product; weights rotate over `copies` places so that large sets come from memory.
double measure(BuiltMatmul &kernel, const MatmulShape &shape, const Level &level, int rows, size_t copies) {
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
  double once = typicalSeconds(0.0, [&] {
    words[1] = reinterpret_cast<uint64_t>(weights.data());
    kernel.runWorker(words, 0, 1);
  });
  size_t calls = copies > 1 ? copies : std::max<size_t>(1, static_cast<size_t>(50e-6 / once));
  return typicalSeconds(copies > 1 ? 0.4 : 0.15,
                        [&] {
                          for (size_t i = 0; i < calls; ++i) {
                            words[1] = reinterpret_cast<uint64_t>(weights.data() + bytes * (next++ % copies));
                            kernel.runWorker(words, 0, 1);
                          }
                        }) /
         static_cast<double>(calls);
}

void benchKind(const Level &level, const Kind &kind, int onlyRows) {
  printf("%s\n%-14s", layoutTestName(kind.layout, kind.act).c_str(), "N x K");
  printf(" %9s %9s", "M=1 GB/s", "dram GB/s");
  for (int rows : kRowCounts)
    if (rows > 1)
      printf(" %7s%-3d", "M=", rows);
  printf("   (GOP/s; in brackets: ms to compile)\n");
  for (const Shape &size : kShapes) {
    bool head = size.n > 10000;
    if (head != (kind.layout == Layout::Q8N16K4 && head))
      continue;
    printf("%5ldx%-8ld", size.n, size.k);
    for (int rows : kRowCounts) {
      if ((onlyRows && rows != onlyRows) || (head && rows > 16)) {
        printf(" %9s", "-");
        continue;
      }
      MatmulShape shape{size.n, size.k, kind.layout, kind.act, classOf(rows), 1};
      BuiltMatmul kernel(shape, level, false);
      double bytes = static_cast<double>(packedBytes(shape.layout, shape.n, shape.k));
      if (rows == 1) {
        printf(" %9.1f", bytes / measure(kernel, shape, level, 1, 1) / 1e9);
        size_t copies = static_cast<size_t>(static_cast<double>(kDramBytes) / bytes) + 1;
        printf(" %9.1f", bytes / measure(kernel, shape, level, 1, copies) / 1e9);
      } else {
        double ops = 2.0 * rows * static_cast<double>(size.n * size.k);
        printf(" %9.0f", ops / measure(kernel, shape, level, rows, 1) / 1e9);
      }
      printf("[%.0f]", kernel.milliseconds);
      fflush(stdout);
    }
    printf("\n");
  }
}

} // namespace
} // namespace llmc

int main(int argc, char **argv) {
  using namespace llmc;
  const char *levelFilter = argc > 1 ? argv[1] : "", *layoutFilter = argc > 2 ? argv[2] : "";
  int onlyRows = argc > 3 ? atoi(argv[3]) : 0;
  for (const Level &level : cpuLevels()) {
    if (!rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()) || !level.name.ends_with(levelFilter))
      continue;
    printf(
        "== %s: read %.1f GB/s (256 KiB), %.1f GB/s (8 MiB), %.1f GB/s (256 MiB); dot %.0f GOP/s; FMA %.0f GFLOP/s\n",
        level.name.str().c_str(), readBandwidth(level, 256 << 10), readBandwidth(level, 8 << 20),
        readBandwidth(level, kDramBytes), dotPeak(level), fmaPeak(level));
    for (const Kind &kind : kKinds)
      if (layoutTestName(kind.layout, kind.act).find(layoutFilter) != std::string::npos)
        benchKind(level, kind, onlyRows);
  }
}
