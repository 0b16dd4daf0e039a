// Speed of matrix product kernels on one core: GB/s of weights for one row, GOP/s for more, against the core's
// ceilings. Usage: matmul_bench [level substring [layout substring [M]]]
#include "tests/bench/kernels/ceilings.h"
#include "tests/bench/kernels/matmul_speed.h"
#include "runtime/device/cpu_features.h"
#include <cstdio>
#include <cstring>

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
      MatmulShape shape{size.n, size.k, kind.layout, kind.act, rowClass(rows), 1};
      BuiltMatmul kernel(shape, level, false);
      double bytes = static_cast<double>(packedBytes(shape.layout, shape.n, shape.k));
      if (rows == 1) {
        printf(" %9.1f", bytes / secondsOfProduct(kernel, shape, 1, 1) / 1e9);
        size_t copies = static_cast<size_t>(static_cast<double>(kDramBytes) / bytes) + 1;
        printf(" %9.1f", bytes / secondsOfProduct(kernel, shape, 1, copies) / 1e9);
      } else {
        double ops = 2.0 * rows * static_cast<double>(size.n * size.k);
        printf(" %9.0f", ops / secondsOfProduct(kernel, shape, rows, 1) / 1e9);
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
