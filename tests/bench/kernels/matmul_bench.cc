// Speed of matrix product kernels on one core: GB/s of weights for one row, GOP/s for more, against the core's
// ceilings. Usage: matmul_bench [level ending [layout substring [M [name=value,... [NxK]]]]]; with numbers
// (MatmulTuning.h) it compares them with the table's, in turns, for its own sizes or the one given.
#include "tests/bench/kernels/ceilings.h"
#include "tests/bench/kernels/matmul_speed.h"
#include "codegen/registry/MatmulTuning.h"
#include "runtime/device/cpu_features.h"
#include <algorithm>
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
  bool rounded = false; ///< f32 activations may be rounded to bf16

  std::string name() const { return layoutTestName(layout, act) + (rounded ? "_rounded" : ""); }
};
const Kind kKinds[] = {
    {Layout::Q4N16K4Asym, ActKind::Int8}, {Layout::Q8N16K4, ActKind::Int8},  {Layout::Q4KN16K4, ActKind::Int8},
    {Layout::Q5KN16K4, ActKind::Int8},    {Layout::Q6KN16K4, ActKind::Int8}, {Layout::Q5N16K4Sym, ActKind::Int8},
    {Layout::Q4N16K4Sym, ActKind::Int8},  {Layout::BF16N16K2, ActKind::F32}, {Layout::BF16N16K2, ActKind::F32, true},
    {Layout::F16N16, ActKind::F32},       {Layout::F32N16, ActKind::F32},    {Layout::Q4N16K4Asym, ActKind::F32},
    {Layout::Q8N16K4, ActKind::F32}};
const int kRowCounts[] = {1, 2, 4, 8, 16, 64, 512};
constexpr size_t kDramBytes = 256u << 20;

void benchKind(const Level &level, const Kind &kind, int onlyRows) {
  printf("%s\n%-14s", kind.name().c_str(), "N x K");
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
      shape.bf16Products = kind.rounded;
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

/// name=value,name=value; empty: none of that form.
std::vector<TunedNumber> numbersOf(llvm::StringRef text) {
  std::vector<TunedNumber> numbers;
  llvm::SmallVector<llvm::StringRef> words;
  text.split(words, ',', -1, false);
  for (llvm::StringRef word : words) {
    auto [name, value] = word.split('=');
    int64_t number = 0;
    if (value.getAsInteger(10, number))
      return {};
    numbers.push_back({name.str(), number});
  }
  return numbers;
}

/// Products with the table's numbers and with others in turns: GOP/s of both (medians) and the median of the ratios,
/// weights from a cache and from memory. `only` of one size; 0 x 0: of all.
void compareKind(const Level &level, const Kind &kind, int rows, const std::vector<TunedNumber> &numbers, Shape only) {
  constexpr int kRounds = 5;
  auto median = [](std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
    return values[values.size() / 2];
  };
  const std::vector<Shape> sizes = only.n ? std::vector{only} : std::vector(std::begin(kShapes), std::end(kShapes));
  for (const Shape &size : sizes) {
    if (!only.n && size.n > 10000 && kind.layout != Layout::Q8N16K4)
      continue;
    MatmulShape table{size.n, size.k, kind.layout, kind.act, rowClass(rows), 1};
    table.bf16Products = kind.rounded;
    MatmulShape other = table;
    auto tuning = std::make_shared<MatmulTuning>();
    tuning->set(level.name, table.mMax, numbers);
    other.tuning = tuning;
    std::string fault;
    matmulWith(level, table, numbers, fault);
    printf("%s %ldx%ld, M = %d: %s", kind.name().c_str(), size.n, size.k, rows, fault.c_str());
    BuiltMatmul first(table, level, false), second(other, level, false);
    const double ops = 2.0 * rows * static_cast<double>(size.n * size.k) / 1e9;
    for (size_t memory : {size_t{0}, size_t{48} << 20}) {
      const size_t copies = memory / static_cast<size_t>(packedBytes(table.layout, table.n, table.k)) + 1;
      std::vector<double> before, after, gain;
      for (int round = 0; round < kRounds; ++round) {
        before.push_back(ops / secondsOfProduct(first, table, rows, copies));
        after.push_back(ops / secondsOfProduct(second, other, rows, copies));
        gain.push_back(after.back() / before.back());
      }
      printf("  %s %4.0f -> %4.0f GOP/s, x %.3f", memory ? "memory" : "cache", median(before), median(after),
             median(gain));
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
  const std::vector<TunedNumber> numbers = numbersOf(argc > 4 ? argv[4] : "");
  if (argc > 4 && (numbers.empty() || !onlyRows)) {
    fprintf(stderr, "expected M and numbers as name=value,..., found %s %s\n", argv[3], argv[4]);
    return 64;
  }
  Shape only{0, 0};
  if (argc > 5 && sscanf(argv[5], "%ldx%ld", &only.n, &only.k) != 2) {
    fprintf(stderr, "expected a size as NxK, found %s\n", argv[5]);
    return 64;
  }
  for (const Level &level : cpuLevels()) {
    if (!rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()) || !level.name.ends_with(levelFilter))
      continue;
    if (!numbers.empty()) {
      printf("== %s\n", level.name.str().c_str());
      for (const Kind &kind : kKinds)
        if (kind.name().find(layoutFilter) != std::string::npos)
          compareKind(level, kind, onlyRows, numbers, only);
      continue;
    }
    printf(
        "== %s: read %.1f GB/s (256 KiB), %.1f GB/s (8 MiB), %.1f GB/s (256 MiB); dot %.0f GOP/s; FMA %.0f GFLOP/s\n",
        level.name.str().c_str(), readBandwidth(level, 256 << 10), readBandwidth(level, 8 << 20),
        readBandwidth(level, kDramBytes), dotPeak(level), fmaPeak(level));
    for (const Kind &kind : kKinds)
      if (kind.name().find(layoutFilter) != std::string::npos)
        benchKind(level, kind, onlyRows);
  }
}
