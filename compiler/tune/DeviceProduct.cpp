// The product's kernel, its weights and rows.
#include "compiler/tune/DeviceProduct.h"

#include "codegen/cuda/matmul/ProductTuning.h"
#include "runtime/format/kernel_abi.h"
#include <algorithm>
#include <cstring>

namespace llmc {

/// A weight stored in `layout`, as #llm.q writes it.
static llvm::StringRef quantOf(Layout layout) {
  switch (layout) {
  case Layout::F16M16K16:
    return "f16";
  case Layout::Q8M16K32:
    return "i8, 32, sym";
  case Layout::Q4M16K64Sym:
    return "i4, 32, sym";
  case Layout::Q4M16K64Asym:
    return "i4, 32, asym";
  case Layout::Q4M16K128Asym:
    return "i4, 128, asym";
  case Layout::E4M3M16K32:
    return "e4m3";
  case Layout::Q5M16K64Sym:
    return "i5, 32, sym";
  case Layout::Q5M16K64Asym:
    return "i5, 32, asym";
  case Layout::Q4KM16K128:
    return "i4, 32, asym, k256";
  case Layout::Q5KM16K128:
    return "i5, 32, asym, k256";
  case Layout::Q6KM16K128:
    return "i6, 16, sym, k256";
  default:
    return "bf16";
  }
}

static std::string tensorType(int64_t columns, llvm::StringRef element) {
  return llvm::formatv("tensor<?x{0}x{1}, #llm.dims<[T, {0}]>>", columns, element).str();
}

std::string DeviceProduct::key() const {
  return cudaProductKey({shape_.n, shape_.k, shape_.layout, shape_.unitPanels});
}

std::vector<std::vector<TunedNumber>> DeviceProduct::candidates(const Arch &arch, size_t most) const {
  std::vector<ProductConfig> rest = legalProducts(arch, shape_);
  std::vector<std::vector<TunedNumber>> best;
  while (!rest.empty() && (most == 0 || best.size() < most)) {
    const ProductConfig next = fastestProduct(arch, shape_, rest);
    best.push_back(productNumbers(next));
    std::erase(rest, next);
  }
  return best;
}

std::string DeviceProduct::moduleText() const {
  const std::string x =
      shape_.e4m3() ? llvm::formatv("!llm.qact<[T, {0}], e4m3>", shape_.k).str() : tensorType(shape_.k, "bf16");
  const char *body = shape_.unitPanels == 1
                         ? "  %y = llm.linear %x, %w : (!x, !w) -> !y\n"
                         : "  %s = llm.linear %x, %w : (!x, !w) -> !s\n"
                           "  %y = llm.glu %s {act = #llm.act_fn<silu>, interleave = 16} : (!s) -> !y\n";
  return llvm::formatv("!x = {0}\n!w = !llm.weight<[{1}, {2}], #llm.q<{3}>>\n!s = {4}\n!y = {5}\n"
                       "kern.func @product(%x: !x, %w: !w, %b: !llm.batch) -> !y attributes {{hero = \"linear\"} {{\n"
                       "{6}  kern.yield %y : !y\n}\n",
                       x, shape_.n, shape_.k, quantOf(shape_.layout), tensorType(shape_.n, "f32"),
                       tensorType(resultColumns(), "f32"), body)
      .str();
}

namespace {

constexpr uint64_t kSmall = 0x3f3f3f3f3f3f3f3full; ///< of bf16, f16 and e4m3: positive, below 2

/// Any numbers that are finite: bytes of codes at random, exponents of scales small.
std::vector<uint8_t> randomFragments(const ProductShape &shape, size_t bytes) {
  const Layout layout = shape.layout;
  const bool codes = isQuantized(layout) && !shape.e4m3();
  std::vector<uint8_t> data = randomBytes(bytes, codes ? ~uint64_t{0} : kSmall, 1);
  const auto panel = static_cast<size_t>(panelBytes(layout, shape.k));
  const auto header = static_cast<size_t>(headerBytes(layout, shape.k));
  // Scales (and mins), or what scales that are bytes are multiplied with.
  const auto block = static_cast<size_t>(superblockBytes(layout));
  const auto halves =
      static_cast<size_t>(scalesOffset(layout) + (quantFormat(layout).byteScales ? 8 * pairScaleBytes(layout) : 0));
  for (size_t at = 0; at + panel <= data.size(); at += panel) {
    for (size_t i = 3; i < header; i += 4)
      data[at + i] = 0x3c; // f32
    for (size_t b = header; codes && b + block <= panel; b += block)
      for (size_t i = halves + 1; i < block; i += 2)
        data[at + b + i] = 0x20; // f16
  }
  return data;
}

std::vector<uint8_t> randomRows(const ProductShape &shape, int64_t rows) {
  std::vector<uint8_t> data = randomBytes(static_cast<size_t>(rows * shape.xStride()), kSmall, 2);
  const float one = 1;
  if (shape.e4m3())
    for (int64_t row = 0; row < rows; ++row)
      std::memcpy(&data[static_cast<size_t>(row * shape.xStride()) + rt::e4m3ScaleAt(static_cast<uint64_t>(shape.k))],
                  &one, 4);
  return data;
}

} // namespace

rt::Result<DeviceWorks> DeviceProduct::works(const rt::cuda::Stream &stream) const {
  DeviceWorks made;
  LLMC_TRY(made.takeSweep(stream));
  DeviceWork work;
  work.tokens = shape_.mMax ? shape_.mMax : 512;
  work.sequences = 1;
  const auto bytes = static_cast<uint64_t>(roundUpTo(packedBytes(shape_.layout, shape_.n, shape_.k), 256));
  work.copies = std::max<size_t>(1, made.sweepBytes / bytes);
  const auto rows = static_cast<uint64_t>(work.tokens) + rt::kPaddingRows;
  work.outBytes = rows * rt::rowStrideBytes(static_cast<uint64_t>(resultColumns()) * 4);
  auto weights = made.take(stream, bytes * work.copies + 4096); // kernels may read so far past a weight
  LLMC_TRY(weights.status());
  auto x = made.take(stream, rows * static_cast<uint64_t>(shape_.xStride()));
  LLMC_TRY(x.status());
  auto batch = made.take(stream, sizeof(rt::Batch));
  LLMC_TRY(batch.status());
  auto out = made.take(stream, work.outBytes);
  LLMC_TRY(out.status());
  work.out = *out;
  LLMC_TRY(fillWith(stream, *weights, bytes * work.copies, randomFragments(shape_, bytes)));
  const std::vector<uint8_t> data = randomRows(shape_, work.tokens);
  LLMC_TRY(store(stream, *x, data.data(), data.size()));
  rt::Batch step;
  step.tokens = static_cast<int32_t>(work.tokens);
  LLMC_TRY(store(stream, *batch, &step, sizeof step));
  work.words = [=, x = *x, weights = *weights, batch = *batch, out = *out](size_t copy) {
    return std::vector<uint64_t>{x, weights + copy * bytes, batch, out};
  };
  work.values = [rows = work.tokens, columns = resultColumns()](const std::vector<uint8_t> &bytes) {
    return rowsOf(bytes, rows, columns);
  };
  made.what = std::to_string(work.tokens) + " tokens";
  made.works.push_back(std::move(work));
  return made;
}

} // namespace llmc
