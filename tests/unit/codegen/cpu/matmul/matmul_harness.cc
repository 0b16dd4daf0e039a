// Test data follow the packed layouts and the kernel ABI by their scalar reference functions.
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"

#include "runtime/format/kernel_abi.h"
#include "mlir/IR/MLIRContext.h"
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sys/mman.h>

namespace llmc {

Buffer::Buffer(size_t bytes, uint8_t fill) {
  size_t size = (bytes + 8191) / 4096 * 4096;
  data_ = static_cast<uint8_t *>(std::aligned_alloc(4096, size));
  std::memset(data_, fill, size);
}
Buffer::~Buffer() { std::free(data_); }

static mlir::MLIRContext &context() {
  static mlir::MLIRContext *made = [] {
    mlir::DialectRegistry registry;
    registerKernelDialects(registry);
    auto *c = new mlir::MLIRContext(registry, mlir::MLIRContext::Threading::DISABLED);
    c->loadAllAvailableDialects();
    return c;
  }();
  return *made;
}

MappedCode::MappedCode(const Level &level, const std::function<void(mlir::ModuleOp)> &fill, bool wantListing) {
  auto start = std::chrono::steady_clock::now();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context()));
  fill(*module);
  module->walk([&](mlir::Operation *) { ++mlirOps; });
  auto compiled = compileKernel(*module, level, wantListing);
  milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (!compiled) {
    error = llvm::toString(compiled.takeError());
    return;
  }
  listing = compiled->listing;
  objectBytes = compiled->object.size();
  std::vector<llvm::SmallVector<char, 0>> objects;
  objects.push_back(std::move(compiled->object));
  auto image = linkImage(objects);
  if (!image)
    error = llvm::toString(image.takeError());
  else
    map(*image);
}

void MappedCode::map(const CodeImage &image) {
  size_ = image.bytes.size();
  base_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memcpy(base_, image.bytes.data(), size_);
  mprotect(base_, size_, PROT_READ | PROT_EXEC);
  function_ = reinterpret_cast<rt::KernelFn>(static_cast<char *>(base_) + image.symbols.lookup("kernel").offset);
}

MappedCode::~MappedCode() {
  if (base_)
    munmap(base_, size_);
}

/// The kernel around emitMatmul() with the plainest epilogue: sums are the result.
static void fillMatmul(mlir::ModuleOp module, const MatmulShape &shape, const Level &level) {
  KernelBuilder k(module, "kernel", 5, level);
  int64_t outStride = static_cast<int64_t>(rt::rowStrideBytes(shape.n * 4));
  mlir::Value scratch = k.address(k.arg(4), k.mul(k.worker(), matmulScratchBytes(shape)));
  MatmulWords words{k.arg(0), k.arg(1), k.batchInt(k.arg(3), 0), scratch};
  emitMatmul(k, shape, words, [&](mlir::Value row, mlir::Value unit, mlir::Value sums) {
    mlir::Value out = k.address(k.arg(2), k.mul(row, outStride));
    for (int64_t p = 0; p < shape.unitPanels; ++p) {
      mlir::Value column = k.add(k.mul(unit, shape.unitPanels * 16), p * 16);
      mlir::Value vector = k.load(k.vec(16, k.f32()), sums, mlir::Value(), p * 64, 64);
      if (shape.unitPanels == 1)
        storePanelColumns(k, vector, out, column, shape.n);
      else
        k.ifThen(k.less(column, k.c(shape.n)), [&] { storePanelColumns(k, vector, out, column, shape.n); });
    }
  });
  k.finish();
}

BuiltMatmul::BuiltMatmul(const MatmulShape &shape, const Level &level, bool wantListing)
    : MappedCode(
          level, [&](mlir::ModuleOp module) { fillMatmul(module, shape, level); }, wantListing),
      scratchBytes_(matmulScratchBytes(shape)) {}

void BuiltMatmul::run(const void *x, const void *weights, float *out, int32_t rows, uint32_t workers,
                      std::atomic<uint32_t> *taken) {
  Buffer scratch(scratchBytes_ * workers, 0xff);
  uint64_t words[5] = {reinterpret_cast<uint64_t>(x), reinterpret_cast<uint64_t>(weights),
                       reinterpret_cast<uint64_t>(out), reinterpret_cast<uint64_t>(&rows),
                       reinterpret_cast<uint64_t>(scratch.data())};
  for (uint32_t worker = 0; worker < workers; ++worker)
    function()(words, worker, workers, taken);
}

TestWeight::TestWeight(const MatmulShape &s, uint32_t seed)
    : shape(s), packed(static_cast<size_t>(packedBytes(s.layout, s.n, s.k)) + 4096) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> real(-1, 1), positive(0.5f, 1);
  QuantFormat format = s.format();
  int32_t most = (1 << format.bits) - 1;
  codes.resize(s.n * s.k);
  for (int32_t &code : codes) {
    float v = real(random);
    switch (s.layout) {
    case Layout::F32N16:
      code = std::bit_cast<int32_t>(v);
      break;
    case Layout::F16N16:
      code = f32ToF16(v);
      break;
    case Layout::BF16N16K2:
      code = std::bit_cast<uint32_t>(v) >> 16;
      break;
    case Layout::Q8N16K4:
      code = static_cast<int32_t>(random() % 256) - 128;
      break;
    default:
      code = random() % 3 == 0 ? most : static_cast<int32_t>(random() % (most + 1));
      break;
    }
  }
  auto groupsOf = [&](int64_t columns) { return s.n * ((s.k + columns - 1) / columns); };
  for (int64_t i = 0; i < groupsOf(format.group); ++i) {
    int32_t byte =
        format.asymmetric ? static_cast<int32_t>(32 + random() % 32) : static_cast<int32_t>(random() % 256) - 128;
    scales.push_back(format.byteScales ? static_cast<uint16_t>(byte & 255) : f32ToF16(positive(random) / 16));
  }
  for (int64_t i = 0; i < groupsOf(kQuantGroup); ++i)
    mins.push_back(format.byteScales ? static_cast<uint16_t>(32 + random() % 32) : f32ToF16(real(random)));
  for (int64_t i = 0; i < groupsOf(kScaleBlock); ++i) {
    blocks.push_back(f32ToF16(positive(random) / 512));
    blockMins.push_back(f32ToF16(real(random) / 32));
  }
  packReference(s.layout, {s.n, s.k, codes.data(), scales.data(), mins.data(), blocks.data(), blockMins.data()},
                packed.data());
}

double TestWeight::value(int64_t row, int64_t col) const {
  int32_t code = codes[row * shape.k + col];
  QuantFormat format = shape.format();
  switch (shape.layout) {
  case Layout::F32N16:
    return std::bit_cast<float>(code);
  case Layout::F16N16:
    return f16ToF32(static_cast<uint16_t>(code));
  case Layout::BF16N16K2:
    return std::bit_cast<float>(static_cast<uint32_t>(code) << 16);
  default:
    break;
  }
  auto index = [&](int64_t group) { return row * ((shape.k + group - 1) / group) + col / group; };
  int64_t group = index(format.group);
  double scale = format.byteScales ? 0.0 : f16ToF32(scales[group]), min = 0;
  if (format.byteScales)
    scale = double(f16ToF32(blocks[index(kScaleBlock)])) *
            (format.asymmetric ? scales[group] : static_cast<int8_t>(scales[group]));
  if (format.asymmetric)
    min = format.byteScales ? -double(f16ToF32(blockMins[index(kScaleBlock)])) * mins[group] : f16ToF32(mins[group]);
  return scale * (code - (format.bits == 8 ? 0 : format.zero)) + min;
}

/// Row `row` of `owner`'s values, kept in `rows`.
template <typename Owner>
static const std::vector<double> &cachedRow(const Owner &owner, std::vector<std::vector<double>> &rows, int64_t row) {
  auto at = static_cast<size_t>(row);
  if (rows.size() <= at)
    rows.resize(at + 1);
  if (rows[at].empty())
    for (int64_t col = 0; col < owner.shape.k; ++col)
      rows[at].push_back(owner.value(row, col));
  return rows[at];
}

const std::vector<double> &TestWeight::row(int64_t row) const { return cachedRow(*this, rows_, row); }

/// One quantized row as the ABI lays it out; every 7th group holds only +-127 to reach the ends of integer sums.
static void fillQuantizedRow(uint8_t *row, const MatmulShape &shape, std::mt19937 &random) {
  int64_t kp = roundUpTo(shape.k, 64), zero = shape.format().zero;
  std::uniform_real_distribution<float> positive(0.5f, 1);
  auto biasOf = [&](float sum) { return shape.asymmetric() ? sum : sum * static_cast<float>(-zero); };
  for (int64_t g = 0; g < kp / 32; ++g) {
    float sums[2] = {0, 0};
    bool extreme = random() % 7 == 0;
    for (int64_t half = 2 * g; half < 2 * g + 2; ++half) {
      float scale = half * 16 < shape.k ? positive(random) / 64 : 0;
      int total = 0;
      for (int64_t i = half * 16; i < half * 16 + 16 && i < shape.k; ++i) {
        int q = extreme ? 127 : static_cast<int>(random() % 255) - 127;
        reinterpret_cast<int8_t *>(row)[i] = static_cast<int8_t>(q);
        total += q;
      }
      sums[half % 2] = scale * static_cast<float>(total);
      std::memcpy(row + rt::quantizedScalesAt(shape.k) + 4 * half, &scale, 4);
    }
    float biases[2] = {biasOf(sums[0]), biasOf(sums[1])}, both = biasOf(sums[0] + sums[1]);
    if (shape.format().group == 16)
      std::memcpy(row + rt::quantizedBiasesAt(shape.k) + 8 * g, biases, 8);
    else
      std::memcpy(row + rt::quantizedBiasesAt(shape.k) + 4 * g, &both, 4);
  }
}

TestActivations::TestActivations(const MatmulShape &s, int64_t rows, uint32_t seed)
    : shape(s), bytes(static_cast<size_t>((rows + 16) * s.xStride()), s.act == ActKind::F32 ? 0xff : 0) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> real(-1, 1);
  for (int64_t row = 0; row < rows; ++row) {
    uint8_t *at = bytes.data() + row * shape.xStride();
    if (shape.act == ActKind::Int8) {
      if (row % 11 != 6) // those stay zero, scales too
        fillQuantizedRow(at, shape, random);
      continue;
    }
    for (int64_t k = 0; k < shape.k; ++k)
      reinterpret_cast<float *>(at)[k] = real(random);
  }
}

double TestActivations::value(int64_t row, int64_t col) const {
  const uint8_t *at = bytes.data() + row * shape.xStride();
  if (shape.act == ActKind::F32)
    return reinterpret_cast<const float *>(at)[col];
  float scale;
  std::memcpy(&scale, at + rt::quantizedScalesAt(shape.k) + col / 16 * 4, 4);
  return double(scale) * reinterpret_cast<const int8_t *>(at)[col];
}

const std::vector<double> &TestActivations::row(int64_t row) const { return cachedRow(*this, rows_, row); }

std::pair<double, double> referenceOutput(const TestWeight &weight, const TestActivations &x, int64_t row, int64_t n) {
  const double *weights = weight.row(n).data(), *activations = x.row(row).data();
  double sum = 0, magnitude = 0;
  for (int64_t k = 0; k < weight.shape.k; ++k) {
    double term = weights[k] * activations[k];
    sum += term;
    magnitude += std::abs(term);
  }
  return {sum, magnitude};
}

std::string layoutTestName(Layout layout, ActKind act) {
  std::string name(layoutName(layout));
  for (char &c : name)
    if (c == '-')
      c = '_';
  return name + (act == ActKind::Int8 ? "_int8" : "_f32");
}

} // namespace llmc
