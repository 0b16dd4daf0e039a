// The cache of kernel cases, their reference and the comparison with it.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "codegen/registry/PackedLayout.h"
#include "dialects/LLM/LLMTypes.h"
#include "dialects/Reference/Eval.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "tests/emulator/kernel_inputs.h"

namespace llmc::emu {
namespace {

constexpr int64_t kPage = rt::kPageTokens;

/// The key or the value of one head of one token.
struct CacheRow {
  int64_t page, layer, head, token;
  bool value;
};

double& element(reference::KvCache& cache, const CacheRow& row, int64_t d) {
  return row.value ? cache.value(row.layer, row.head, row.page, row.token, d)
                   : cache.key(row.layer, row.head, row.page, row.token, d);
}

std::vector<double> valuesOf(reference::KvCache& cache, const CacheRow& row) {
  std::vector<double> x;
  for (int64_t d = 0; d < cache.dim; ++d) x.push_back(element(cache, row, d));
  return x;
}

template <class Visit>
void eachRow(const reference::KvCache& cache, int64_t pages, Visit visit) {
  for (int64_t page = 0; page < pages; ++page)
    for (int64_t layer = 0; layer < cache.layers; ++layer)
      for (int64_t head = 0; head < cache.heads; ++head)
        for (int64_t token = 0; token < kPage; ++token)
          for (bool value : {false, true}) visit(CacheRow{page, layer, head, token, value});
}

/// Offset in a page of element d of a row: K is [head][dim][token], V [head][token][dim].
uint64_t elementAt(llm::KvType kv, const CacheRow& row, int64_t d) {
  const int64_t dim = kv.getDim(), part = kv.getHeads() * dim * kPage;
  const int64_t inHead = row.value ? row.token * dim + d : d * kPage + row.token;
  const int64_t index = (row.value ? part : 0) + row.head * dim * kPage + inHead;
  return (uint64_t)(row.layer * kv.layerBytes() + index * kv.elementBytes());
}

/// Offset in a page of a row's scale: [K, V][head][token] behind the elements.
uint64_t scaleAt(llm::KvType kv, const CacheRow& row) {
  const int64_t elements = 2 * kv.getHeads() * kv.getDim() * kPage * kv.elementBytes();
  const int64_t index = ((row.value ? kv.getHeads() : 0) + row.head) * kPage + row.token;
  return (uint64_t)(row.layer * kv.layerBytes() + elements + index * 4);
}

/// What the numbers of a row are multiples of: 0 where they are zeros, 1 where they have no scale.
float scaleOf(llm::KvType kv, const std::vector<double>& x) {
  float largest = 0;
  for (double one : x) largest = std::max(largest, (float)std::abs(one));
  return !kv.hasScales() ? 1 : largest / (kv.getKind() == llm::QuantKind::I8 ? 127.0f : 448.0f);
}

/// `x` are numbers that the cache can hold.
void storeRow(llm::KvType kv, std::byte* page, const CacheRow& row, const std::vector<double>& x) {
  const float scale = scaleOf(kv, x);
  if (kv.hasScales()) std::memcpy(page + scaleAt(kv, row), &scale, 4);
  for (int64_t d = 0; d < kv.getDim(); ++d) {
    const auto code = scale == 0 ? 0 : (float)(x[(size_t)d] / scale);
    uint16_t bits = 0;
    switch (kv.getKind()) {
      case llm::QuantKind::F16:
        bits = f32ToF16(code);
        break;
      case llm::QuantKind::BF16:
        bits = (uint16_t)(std::bit_cast<uint32_t>(code) >> 16);
        break;
      case llm::QuantKind::I8:
        bits = (uint8_t)(int8_t)std::nearbyint(code);
        break;
      default:
        bits = f32ToE4M3(code);
    }
    std::memcpy(page + elementAt(kv, row, d), &bits, (size_t)kv.elementBytes());
  }
}

std::vector<double> loadRow(llm::KvType kv, const std::byte* page, const CacheRow& row) {
  float scale = 1;
  if (kv.hasScales()) std::memcpy(&scale, page + scaleAt(kv, row), 4);
  std::vector<double> x;
  for (int64_t d = 0; d < kv.getDim(); ++d) {
    uint16_t bits = 0;
    std::memcpy(&bits, page + elementAt(kv, row, d), (size_t)kv.elementBytes());
    double code = 0;
    switch (kv.getKind()) {
      case llm::QuantKind::F16:
        code = f16ToF32(bits);
        break;
      case llm::QuantKind::BF16:
        code = std::bit_cast<float>((uint32_t)bits << 16);
        break;
      case llm::QuantKind::I8:
        code = (int8_t)bits;
        break;
      default:
        code = e4m3ToF32((uint8_t)bits);
    }
    x.push_back(code * (double)scale);
  }
  return x;
}

/// How far an element may be from `want`: a number whose f32 differs in its last bits may go to the next one.
double roundingOf(llm::KvType kv, double want, float scale) {
  switch (kv.getKind()) {
    case llm::QuantKind::F16:
      return 2e-3 * (std::fabs(want) + 0.05);
    case llm::QuantKind::BF16:
      return 1e-2 * (std::fabs(want) + 0.05);
    case llm::QuantKind::I8:
      return 1.01 * (double)scale;
    default:
      return std::fabs(want) / 7.9 + (double)scale * 0x1p-8;
  }
}

}  // namespace

/// Random keys and values where the sequences have past tokens and, for kernels that only read, this step's; everything
/// else is NaN, tokens of the sequences' last pages included.
void KernelInputs::addCache(llm::KvType type) {
  hasCache_ = true;
  cache_ = reference::KvCache(type.getLayers(), type.getHeads(), type.getDim(), kPage, pages_);
  layer_ = type.getLayers() - 1;
  kv_ = type;
  pageBytes_ = (uint64_t)(type.getLayers() * type.layerBytes());
  cacheBuffer_ = addBuffer("cache", pageBytes_ * (uint64_t)pages_, true, 0xff);
  tokensOfPage_.assign((size_t)pages_, 0);
  for (size_t s = 0; s < batch_.contextLens.size(); ++s)
    for (int64_t token = 0; token < batch_.contextLens[s]; ++token) {
      const int64_t page = batch_.blockTable[s][(size_t)(token / kPage)];
      tokensOfPage_[(size_t)page] = token % kPage + 1;
      for (int64_t layer = 0; layer < cache_.layers; ++layer)
        for (int64_t head = 0; head < cache_.heads; ++head)
          for (bool value : {false, true}) {
            std::vector<double> x((size_t)cache_.dim);
            for (double& one : x) one = normal();
            reference::storeAs(type.getKind(), x);
            for (int64_t d = 0; d < cache_.dim; ++d)
              element(cache_, {page, layer, head, token % kPage, value}, d) = x[(size_t)d];
          }
    }
  words_.push_back((uint64_t)buffers_[cacheBuffer_].data.get() + (uint64_t)(layer_ * type.layerBytes()));
}

void KernelInputs::writeCache() {
  std::byte* base = buffers_[cacheBuffer_].data.get();
  std::memset(base, 0xff, buffers_[cacheBuffer_].bytes);
  eachRow(cache_, pages_, [&](const CacheRow& row) {
    if (row.token < tokensOfPage_[(size_t)row.page])
      storeRow(kv_, base + pageBytes_ * (uint64_t)row.page, row, valuesOf(cache_, row));
  });
}

std::vector<uint64_t> KernelInputs::prepare() {
  if (hasCache_) writeCache();
  for (const Matrix& result : results_)
    std::memset(buffers_[result.buffer].data.get(), 0xff, buffers_[result.buffer].bytes);
  return words_;
}

/// Wraps the kernel in a func.func that calls it, weights as symbols, for the interpreter.
bool KernelInputs::evaluate(const KernelCase& test) {
  auto module = function_->getParentOfType<mlir::ModuleOp>();
  mlir::OwningOpRef<mlir::ModuleOp> copy(module.clone());
  auto kernel = copy->lookupSymbol<kern::FuncOp>(function_.getSymName());
  mlir::OpBuilder builder(copy->getBody(), copy->getBody()->end());
  const mlir::Location loc = kernel.getLoc();
  std::vector<mlir::Type> inputs;
  for (mlir::Type type : kernel.getArgumentTypes())
    if (!llvm::isa<llm::WeightType>(type)) inputs.push_back(type);
  auto function =
      mlir::func::FuncOp::create(builder, loc, "case", builder.getFunctionType(inputs, kernel.getResultTypes()));
  mlir::Block* body = function.addEntryBlock();
  std::vector<mlir::Value> arguments;
  size_t next = 0, weight = 0;
  for (mlir::Type type : kernel.getArgumentTypes()) {
    if (!llvm::isa<llm::WeightType>(type)) {
      arguments.push_back(body->getArgument((unsigned)next++));
      continue;
    }
    const std::string name = "weight" + std::to_string(weight++);
    mlir::OperationState declared(loc, llm::WeightOp::getOperationName());
    declared.addAttribute("sym_name", builder.getStringAttr(name));
    declared.addAttribute("type", mlir::TypeAttr::get(type));
    builder.setInsertionPointToEnd(copy->getBody());
    auto symbol = llvm::cast<llm::WeightOp>(builder.create(declared));
    builder.setInsertionPointToEnd(body);
    arguments.push_back(llm::UseOp::create(builder, loc, symbol));
  }
  builder.setInsertionPointToEnd(body);
  std::optional<int64_t> layer;
  if (hasCache_) layer = layer_;
  auto call = kern::CallOp::create(builder, loc, kernel, arguments, layer);
  mlir::func::ReturnOp::create(builder, loc, call.getResults());

  auto provider = [&](llm::WeightOp op) -> mlir::FailureOr<reference::Tensor> {
    return weights_[(size_t)std::stoull(op.getSymName().drop_front(6).str())];
  };
  std::vector<reference::Tensor> values;
  for (const Matrix& activation : activations_) values.push_back(activation.values);
  expectedCache_ = cache_;
  reference::Interpreter interpreter(*copy, provider);
  auto results = interpreter.run("case", batch_, expectedCache_, values);
  if (mlir::failed(results)) {
    error_ = "the reference interpreter cannot run this kernel";
    return false;
  }
  expected_ = std::move(*results);
  expectSamples(test);
  return true;
}

namespace {

double load(const std::byte* from, const std::string& element) {
  uint32_t bits = 0;
  std::memcpy(&bits, from, element == "f32" ? 4 : 2);
  if (element == "f16") return f16ToF32((uint16_t)bits);
  if (element == "bf16") bits <<= 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

/// e4m3: a value whose f32 differs in its last bit may go to the neighbour, 1/16 of it away at most.
double toleranceOf(const std::string& element) {
  return element == "f32" ? 2e-5 : element == "f16" ? 2e-3 : element == "e4m3" ? 3.5e-2 : 1e-2;
}

/// A row of 8-bit floats; NaN where the bytes between its columns and its scale are not zero.
void loadE4M3(const std::byte* row, reference::Tensor& to, int64_t r) {
  const uint64_t scaleAt = rt::e4m3ScaleAt((uint64_t)to.cols);
  float scale;
  std::memcpy(&scale, row + scaleAt, 4);
  bool clear = true;
  for (uint64_t i = (uint64_t)to.cols; i < scaleAt; ++i) clear = clear && row[i] == std::byte{0};
  for (int64_t c = 0; c < to.cols; ++c) to.at(r, c) = clear ? (double)scale * e4m3ToF32((uint8_t)row[c]) : NAN;
}

std::string place(size_t index, int64_t row, int64_t column, double got, double want) {
  char text[160];
  std::snprintf(text, sizeof text, "result %zu, row %lld, column %lld: %.9g, expected %.9g", index, (long long)row,
                (long long)column, got, want);
  return text;
}

}  // namespace

std::string KernelInputs::compareMatrix(const KernelCase& test, size_t index, double* worst) {
  const Matrix& matrix = results_[index];
  const std::byte* base = buffers_[matrix.buffer].data.get();
  reference::Tensor got = matrix.values, want = expected_[index];
  const uint64_t size = matrix.element == "f32" ? 4 : 2;
  for (int64_t r = 0; r < got.rows && matrix.element == "e4m3"; ++r)
    loadE4M3(base + (uint64_t)r * matrix.stride, got, r);
  for (int64_t r = 0; r < got.rows && matrix.element != "e4m3"; ++r)
    for (int64_t c = 0; c < got.cols; ++c)
      got.at(r, c) = load(base + (uint64_t)r * matrix.stride + (uint64_t)c * size, matrix.element);
  for (uint64_t i = (uint64_t)got.rows * matrix.stride; i < buffers_[matrix.buffer].bytes; ++i)
    if (base[i] != std::byte{0xff}) return "result " + std::to_string(index) + ": rows past the last one were written";
  if (test.adjust) test.adjust(index, want, got);
  const double tolerance = test.tolerance > 0 ? test.tolerance : toleranceOf(matrix.element);
  std::string first;
  for (int64_t r = 0; r < got.rows; ++r) {
    double largest = 1e-30;
    for (int64_t c = 0; c < got.cols; ++c)
      if (std::isfinite(want.at(r, c))) largest = std::max(largest, std::fabs(want.at(r, c)));
    for (int64_t c = 0; c < got.cols; ++c) {
      const double a = got.at(r, c), b = want.at(r, c);
      if (a == b || (b < -1e30 && a < -1e29)) continue;
      const double error = std::isfinite(a) ? std::fabs(a - b) / (std::fabs(b) + largest) : HUGE_VAL;
      *worst = std::max(*worst, error);
      if (error > tolerance && first.empty()) first = place(index, r, c, a, b);
    }
  }
  return first;
}

/// Every element of the cache, also those that the kernel should leave alone.
std::string KernelInputs::compareCache() {
  std::string first;
  const std::byte* base = buffers_[cacheBuffer_].data.get();
  eachRow(cache_, pages_, [&](const CacheRow& row) {
    const std::vector<double> got = loadRow(kv_, base + pageBytes_ * (uint64_t)row.page, row),
                              want = valuesOf(expectedCache_, row);
    const bool owned = row.token < tokensOfPage_[(size_t)row.page];
    const float scale = scaleOf(kv_, want);
    for (size_t d = 0; d < got.size() && first.empty(); ++d) {
      const bool fine = owned ? std::fabs(got[d] - want[d]) <= roundingOf(kv_, want[d], scale) : std::isnan(got[d]);
      if (fine) continue;
      char text[200];
      std::snprintf(text, sizeof text,
                    "cache %s, page %lld, layer %lld, head %lld, token %lld, element %zu: %.9g, expected %.9g",
                    row.value ? "value" : "key", (long long)row.page, (long long)row.layer, (long long)row.head,
                    (long long)row.token, d, got[d], owned ? want[d] : NAN);
      first = text;
    }
  });
  return first;
}

std::string KernelInputs::compare(const KernelCase& test, double* worst) {
  for (size_t i = 0; i < results_.size(); ++i)
    if (std::string text = compareMatrix(test, i, worst); !text.empty()) return text;
  return hasCache_ ? compareCache() : std::string();
}

}  // namespace llmc::emu
