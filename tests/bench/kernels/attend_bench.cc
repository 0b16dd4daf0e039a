// Speed of decoding attention on one core: GB/s of keys and values, beside a plain read of the same pages.
// Usage: attend_bench [level ending [context [heads kvHeads dim layers]]]; few layers stay in a cache, many do not.
#include "tests/bench/kernels/ceilings.h"
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "codegen/cpu/attention/AttendKernel.h"
#include "runtime/device/cpu_features.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sys/mman.h>

namespace llmc {
namespace {

/// A sequence whose last token is decoded, on pages in order.
class Decoding {
public:
  Decoding(const AttendShape &shape, int32_t context) : shape_(shape), pages_((context + 15) / 16), context_(context) {
    bytes_ = static_cast<size_t>(pages_ * shape.pageBytes());
    cache_ = static_cast<uint8_t *>(
        mmap(nullptr, bytes_ + (4u << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    cache_ = reinterpret_cast<uint8_t *>((reinterpret_cast<uintptr_t>(cache_) + (2u << 20) - 1) >> 21 << 21);
    madvise(cache_, bytes_, MADV_HUGEPAGE);
    fill();
    for (int32_t page = 0; page < pages_; ++page)
      table_.push_back(page);
    batch_.tokens = batch_.sequences = 1, batch_.rows = 0, batch_.blockStride = pages_;
    batch_.positions = &position_, batch_.tokenSeq = &zero_, batch_.queryStarts = starts_;
    batch_.contextLens = &context_, batch_.blockTable = table_.data();
  }

  /// Bytes of keys, values and scales that a call of each layer reads.
  double bytes() const { return static_cast<double>(bytes_) * context_ / (16.0 * pages_); }

  /// Attention of every layer, one after the other.
  void run(rt::KernelFn kernel) {
    uint64_t words[5] = {reinterpret_cast<uint64_t>(query_.data()), 0, reinterpret_cast<uint64_t>(&batch_),
                         reinterpret_cast<uint64_t>(result_.data()), reinterpret_cast<uint64_t>(scratch_.data())};
    for (int64_t layer = 0; layer < shape_.layers; ++layer) {
      words[1] = reinterpret_cast<uint64_t>(cache_ + layer * shape_.layerBytes());
      kernel(words, 0, 1, nullptr);
    }
  }

  /// Reads what run() does, as it lies.
  uint64_t read() const {
    uint64_t sums[8] = {};
    for (int64_t layer = 0; layer < shape_.layers; ++layer)
      for (int32_t page = 0; page < pages_; ++page) {
        const uint8_t *at = cache_ + page * shape_.pageBytes() + layer * shape_.layerBytes();
        for (int64_t i = 0; i < shape_.layerBytes(); i += 64)
          for (int64_t word = 0; word < 8; ++word) {
            uint64_t v;
            std::memcpy(&v, at + i + word * 8, 8);
            sums[word] += v;
          }
      }
    return sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
  }

private:
  /// Finite halves around 1, or any bytes with scales of 0.02.
  void fill() {
    std::mt19937_64 random(1);
    for (size_t i = 0; i + 8 <= bytes_; i += 8) {
      uint64_t v = random();
      if (!shape_.int8Cache)
        v = (v & 0x87ff87ff87ff87ffull) | 0x3800380038003800ull;
      std::memcpy(cache_ + i, &v, 8);
    }
    const float scale = 0.02f;
    for (int64_t at = 0; shape_.int8Cache && at < static_cast<int64_t>(bytes_); at += shape_.layerBytes())
      for (int64_t i = shape_.scalesAt(); i < shape_.layerBytes(); i += 4)
        std::memcpy(cache_ + at + i, &scale, 4);
    for (size_t i = 0; i < static_cast<size_t>(shape_.heads * shape_.headDim); ++i)
      query_.as<float>()[i] = static_cast<float>(static_cast<int>(random() % 200) - 100) / 100;
  }

  AttendShape shape_;
  int32_t pages_, context_, position_ = context_ - 1, zero_ = 0, starts_[2] = {0, 1};
  size_t bytes_;
  uint8_t *cache_;
  std::vector<int32_t> table_;
  Buffer query_{static_cast<size_t>(shape_.heads * shape_.headDim * 4)};
  Buffer result_{static_cast<size_t>(shape_.heads * std::max<int64_t>(shape_.splits, 1) * (shape_.headDim + 2) * 4)};
  Buffer scratch_{static_cast<size_t>(attendScratchBytes(shape_))};
  rt::Batch batch_{};
};

void benchShape(const Level &level, AttendShape shape, int32_t context) {
  MappedCode code(level, [&](mlir::ModuleOp module) {
    KernelBuilder kernel(module, "kernel", 5, level);
    emitAttend(kernel, shape, {});
    kernel.finish();
  });
  if (!code.error.empty()) {
    fprintf(stderr, "%s\n", code.error.c_str());
    std::exit(1);
  }
  Decoding decoding(shape, context);
  volatile uint64_t sink = 0;
  const double attend = typicalSeconds(0.5, [&] { decoding.run(code.function()); });
  const double read = typicalSeconds(0.3, [&] { sink = decoding.read(); });
  const auto calls = static_cast<double>(shape.layers);
  printf("%-34s %s %s, %d tokens, %.1f MB: %6.1f us a layer, %5.1f GB/s (plain read %.1f), %.1f ns a key\n",
         level.name.str().c_str(), shape.int8Cache ? "int8" : "f16 ", shape.splits ? "parts" : "whole", context,
         decoding.bytes() / 1e6, 1e6 * attend / calls, decoding.bytes() / attend / 1e9, decoding.bytes() / read / 1e9,
         1e9 * attend / calls / context);
}

} // namespace
} // namespace llmc

int main(int argc, char **argv) {
  using namespace llmc;
  auto number = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  AttendShape shape;
  shape.heads = number(3, 9), shape.kvHeads = number(4, 3), shape.headDim = number(5, 64), shape.layers = number(6, 30);
  shape.scale = 0.125;
  for (const Level &level : instructionSets())
    if (rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()) && level.name.ends_with(argc > 1 ? argv[1] : ""))
      for (bool int8 : {false, true})
        for (int64_t splits : {16, 0}) {
          shape.int8Cache = int8, shape.splits = splits;
          benchShape(level, shape, static_cast<int32_t>(number(2, 1024)));
        }
}
