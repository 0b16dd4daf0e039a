// The product alone, its sums stored as they are: what is around it in a kernel depends on the model, not on the
// configuration.
#include "compiler/tune/ProductRun.h"

#include "codegen/cpu/ImageLinker.h"
#include "codegen/cpu/ObjectCompiler.h"
#include "codegen/cpu/matmul/MatmulDriver.h"
#include "runtime/device/cpu_topology.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/IR/MLIRContext.h"
#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>

namespace llmc {

/// Any numbers that neither overflow nor go denormal, which would take longer.
static void fillWeights(const MatmulShape &shape, uint8_t *data, size_t bytes) {
  std::mt19937_64 random(1);
  const bool quantized = isQuantized(shape.layout);
  for (size_t at = 0; at + 8 <= bytes; at += 8) {
    uint64_t bits = random();
    if (!quantized)
      bits &= 0x3fff3fff3fff3fffull & ~0x4000400040004000ull; // positive, exponents below that of 2
    std::memcpy(data + at, &bits, 8);
  }
  if (!quantized)
    return;
  // f16 numbers: exponents of small ones. Where scales are bytes only the header has them.
  const size_t panel = static_cast<size_t>(panelBytes(shape.layout, shape.k));
  const size_t header = static_cast<size_t>(headerBytes(shape.layout, shape.k));
  const size_t block = static_cast<size_t>(superblockBytes(shape.layout));
  const size_t scales = static_cast<size_t>(scalesOffset(shape.layout));
  for (size_t at = 0; at + panel <= bytes; at += panel) {
    for (size_t i = 1; i < header; i += 2)
      data[at + i] = 0x20;
    for (size_t b = header; !shape.format().byteScales && b + block <= panel; b += block)
      for (size_t i = scales + 1; i < block; i += 2)
        data[at + b + i] = 0x20;
  }
}

static void fillActivations(const MatmulShape &shape, int64_t rows, uint8_t *data) {
  std::mt19937 random(2);
  const auto k = static_cast<uint64_t>(shape.k);
  for (int64_t row = 0; row < rows; ++row) {
    uint8_t *at = data + row * shape.xStride();
    auto *floats = reinterpret_cast<float *>(at);
    size_t count = k;
    if (shape.act == ActKind::Int8) {
      for (uint64_t i = 0; i < rt::quantizedScalesAt(k); ++i)
        at[i] = static_cast<uint8_t>(random() % 255 - 127);
      floats = reinterpret_cast<float *>(at + rt::quantizedScalesAt(k));
      count = (rt::quantizedRowBytes(k, static_cast<uint64_t>(shape.format().group)) - rt::quantizedScalesAt(k)) / 4;
    }
    for (size_t i = 0; i < count; ++i)
      floats[i] = 0.01f + static_cast<float>(random() % 1000) * 1e-3f;
  }
}

/// So much that the last level cache keeps nothing of it until it comes round again.
static size_t coldBytes() { return std::clamp<size_t>(2 * rt::lastLevelCacheBytes(), 64u << 20, 512u << 20); }

rt::Result<std::unique_ptr<ProductMemory>> ProductMemory::make(const MatmulShape &shape) {
  std::unique_ptr<ProductMemory> made(new ProductMemory);
  made->rows = shape.mMax ? static_cast<int32_t>(shape.mMax) : 256;
  made->weightBytes = static_cast<size_t>(roundUpTo(packedBytes(shape.layout, shape.n, shape.k), 64));
  made->copies = std::max<size_t>(1, coldBytes() / made->weightBytes);
  const auto padded = static_cast<size_t>(made->rows) + 16; // kernels may read and write that far
  const auto map = [](rt::Arena &into, size_t bytes) {
    auto arena = rt::Arena::map(bytes + 4096, "the measurement of a product");
    if (!arena)
      return arena.takeStatus();
    into = arena.take();
    return rt::Status::ok();
  };
  LLMC_TRY(map(made->weights, made->weightBytes * made->copies));
  LLMC_TRY(map(made->x, padded * static_cast<size_t>(shape.xStride())));
  LLMC_TRY(map(made->out, padded * rt::rowStrideBytes(static_cast<uint64_t>(shape.n) * 4)));
  fillWeights(shape, made->weights.data(), made->weightBytes);
  for (size_t copy = 1; copy < made->copies; ++copy)
    std::memcpy(made->weights.data() + copy * made->weightBytes, made->weights.data(), made->weightBytes);
  fillActivations(shape, made->rows, made->x.data());
  return made;
}

/// Words are x, weights, out, pointer to M, scratch.
static void emitProduct(mlir::ModuleOp module, const Level &level, const MatmulShape &shape) {
  KernelBuilder k(module, "product", 5, level);
  const auto outStride = static_cast<int64_t>(rt::rowStrideBytes(static_cast<uint64_t>(shape.n) * 4));
  mlir::Value scratch = k.address(k.arg(4), k.mul(k.worker(), matmulScratchBytes(shape)));
  MatmulWords words{k.arg(0), k.arg(1), k.batchInt(k.arg(3), 0), scratch};
  emitMatmul(k, shape, words, [&](mlir::Value row, mlir::Value panel, mlir::Value sums) {
    mlir::Value vector = k.load(k.vec(kPanelRows, k.f32()), sums, mlir::Value(), 0, 64);
    storePanelColumns(k, vector, k.address(k.arg(2), k.mul(row, outStride)), k.mul(panel, kPanelRows), shape.n);
  });
  k.finish();
}

rt::Result<std::unique_ptr<ProductRun>> ProductRun::compile(const Level &level, const MatmulShape &shape,
                                                            const std::vector<TunedNumber> &numbers, uint32_t workers) {
  const auto failed = [](llvm::Error error) {
    return rt::Status::error(rt::ErrorKind::kInternal, "TUNE_COMPILE", llvm::toString(std::move(error)));
  };
  auto tuning = std::make_shared<MatmulTuning>();
  tuning->set(level.name, shape.mMax, numbers);
  MatmulShape tuned = shape;
  tuned.tuning = tuning;
  mlir::DialectRegistry registry;
  registerKernelDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  emitProduct(*module, level, tuned);
  auto compiled = compileKernel(*module, level, false);
  if (!compiled)
    return failed(compiled.takeError());
  std::vector<llvm::SmallVector<char, 0>> objects;
  objects.push_back(std::move(compiled->object));
  auto image = linkImage(objects);
  if (!image)
    return failed(image.takeError());
  auto mapped = rt::Mapping::anonymous(image->bytes.size(), false);
  if (!mapped)
    return mapped.takeStatus();
  std::unique_ptr<ProductRun> run(new ProductRun);
  run->code_ = mapped.take();
  std::memcpy(run->code_.data(), image->bytes.data(), image->bytes.size());
  LLMC_TRY(run->code_.sealExecutable());
  auto scratch =
      rt::Arena::map(static_cast<uint64_t>(matmulScratchBytes(tuned)) * workers + 4096, "a product's scratch");
  if (!scratch)
    return scratch.takeStatus();
  run->scratch_ = scratch.take();
  run->call_.function = reinterpret_cast<rt::KernelFn>(run->code_.data() + image->symbols.lookup("product").offset);
  return run;
}

rt::Result<double> ProductRun::seconds(rt::WorkerPool &pool, ProductMemory &memory, size_t calls) {
  const uint32_t end = 1;
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < calls; ++i) {
    const uint64_t args[5] = {reinterpret_cast<uint64_t>(memory.x.data()),
                              reinterpret_cast<uint64_t>(memory.nextWeights()),
                              reinterpret_cast<uint64_t>(memory.out.data()), reinterpret_cast<uint64_t>(&memory.rows),
                              reinterpret_cast<uint64_t>(scratch_.data())};
    call_.args = args;
    if (const int32_t code = pool.run({std::span(&call_, 1), std::span(&end, 1)}))
      return rt::Status::error(rt::ErrorKind::kInternal, "RT_KERNEL", "a kernel returned " + std::to_string(code));
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  return passed.count() / static_cast<double>(calls);
}

} // namespace llmc
