// The cache of kernel cases, their reference and the comparison with it.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "codegen/registry/PackedLayout.h"
#include "dialects/LLM/LLMTypes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "tests/emulator/kernel_inputs.h"

namespace llmc::emu {
namespace {

constexpr int64_t kPage = rt::kPageTokens;

/// Bytes from a page's start to an element of a key or a value: K is [head][dim][token], V [head][token][dim].
uint64_t cacheOffset(const reference::KvCache& cache, bool value, int64_t layer, int64_t head, int64_t token,
                     int64_t d) {
  const int64_t headElements = cache.dim * kPage;
  int64_t index = (layer * 2 + (value ? 1 : 0)) * cache.heads * headElements + head * headElements;
  index += value ? token * cache.dim + d : d * kPage + token;
  return (uint64_t)index * 2;
}

template <class Visit>
void eachElement(const reference::KvCache& cache, int64_t pages, Visit visit) {
  for (int64_t page = 0; page < pages; ++page)
    for (int64_t layer = 0; layer < cache.layers; ++layer)
      for (int64_t head = 0; head < cache.heads; ++head)
        for (int64_t token = 0; token < kPage; ++token)
          for (int64_t d = 0; d < cache.dim; ++d)
            for (bool value : {false, true}) visit(page, layer, head, token, d, value);
}

}  // namespace

/// Random keys and values where the sequences have past tokens (and, for kernels that only read, this step's), zeros in
/// the other tokens of their pages as a cleared cache has them, NaN in pages of nobody.
void KernelInputs::addCache(llm::KvType type) {
  hasCache_ = true;
  cache_ = reference::KvCache(type.getLayers(), type.getHeads(), type.getDim(), kPage, pages_);
  layer_ = type.getLayers() - 1;
  pageBytes_ = (uint64_t)(type.getLayers() * 2 * type.getHeads() * type.getDim() * kPage * 2);
  cacheBuffer_ = addBuffer("cache", pageBytes_ * (uint64_t)pages_, true, 0xff);
  for (size_t s = 0; s < batch_.contextLens.size(); ++s)
    for (int64_t token = 0; token < batch_.contextLens[s]; ++token) {
      const int64_t page = batch_.blockTable[s][(size_t)(token / kPage)];
      for (int64_t layer = 0; layer < cache_.layers; ++layer)
        for (int64_t head = 0; head < cache_.heads; ++head)
          for (int64_t d = 0; d < cache_.dim; ++d) {
            cache_.key(layer, head, page, token % kPage, d) = reference::roundToHalf(normal());
            cache_.value(layer, head, page, token % kPage, d) = reference::roundToHalf(normal());
          }
    }
  const uint64_t layerBytes = pageBytes_ / (uint64_t)cache_.layers;
  words_.push_back((uint64_t)buffers_[cacheBuffer_].data.get() + layerBytes * (uint64_t)layer_);
}

void KernelInputs::writeCache() {
  std::byte* base = buffers_[cacheBuffer_].data.get();
  std::memset(base, 0xff, buffers_[cacheBuffer_].bytes);
  std::vector<bool> owned((size_t)pages_, false);
  for (const auto& pages : batch_.blockTable)
    for (int32_t page : pages) owned[(size_t)page] = true;
  eachElement(cache_, pages_, [&](int64_t page, int64_t layer, int64_t head, int64_t token, int64_t d, bool value) {
    if (!owned[(size_t)page]) return;
    const double x = value ? cache_.value(layer, head, page, token, d) : cache_.key(layer, head, page, token, d);
    const uint16_t bits = f32ToF16((float)x);
    std::memcpy(base + pageBytes_ * (uint64_t)page + cacheOffset(cache_, value, layer, head, token, d), &bits, 2);
  });
}

std::vector<uint64_t> KernelInputs::prepare() {
  if (hasCache_) writeCache();
  for (const Matrix& result : results_)
    std::memset(buffers_[result.buffer].data.get(), 0xff, buffers_[result.buffer].bytes);
  return words_;
}

/// Wraps the kernel in a func.func that calls it, weights as symbols, for the interpreter.
bool KernelInputs::evaluate() {
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
  std::vector<bool> owned((size_t)pages_, false);
  for (const auto& pages : batch_.blockTable)
    for (int32_t page : pages) owned[(size_t)page] = true;
  eachElement(cache_, pages_, [&](int64_t page, int64_t layer, int64_t head, int64_t token, int64_t d, bool value) {
    const std::byte* at = base + pageBytes_ * (uint64_t)page + cacheOffset(cache_, value, layer, head, token, d);
    const double got = load(at, "f16");
    const double want =
        value ? expectedCache_.value(layer, head, page, token, d) : expectedCache_.key(layer, head, page, token, d);
    const bool fine = owned[(size_t)page] ? std::fabs(got - want) <= 2e-3 * (std::fabs(want) + 0.05) : std::isnan(got);
    if (fine || !first.empty()) return;
    char text[200];
    std::snprintf(text, sizeof text,
                  "cache %s, page %lld, layer %lld, head %lld, token %lld, element %lld: %.9g, expected %.9g",
                  value ? "value" : "key", (long long)page, (long long)layer, (long long)head, (long long)token,
                  (long long)d, got, owned[(size_t)page] ? want : NAN);
    first = text;
  });
  return first;
}

std::string KernelInputs::compare(const KernelCase& test, double* worst) {
  for (size_t i = 0; i < results_.size(); ++i)
    if (std::string text = compareMatrix(test, i, worst); !text.empty()) return text;
  return hasCache_ ? compareCache() : std::string();
}

}  // namespace llmc::emu
