// Inputs of kernel cases: seeded values in device layout and as the reference takes them.
#include "tests/emulator/kernel_inputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "codegen/registry/WeightLayout.h"
#include "compiler/engine/RopeTable.h"

namespace llmc::emu {
namespace {

constexpr int64_t kPage = rt::kPageTokens;

uint64_t elementBytes(const std::string& element) { return element == "f32" ? 4 : element == "e4m3" ? 1 : 2; }

bool isE4M3(mlir::Type type) {
  auto quantized = llvm::dyn_cast<llm::QActType>(type);
  return quantized && quantized.isE4M3();
}

uint64_t strideOf(const std::string& element, int64_t cols) {
  return rt::rowStrideBytes(element == "e4m3" ? rt::e4m3RowBytes((uint64_t)cols)
                                              : (uint64_t)cols * elementBytes(element));
}

std::string elementOf(mlir::Type type) {
  if (isE4M3(type)) return "e4m3";
  mlir::Type element = llvm::cast<mlir::RankedTensorType>(type).getElementType();
  return element.isF32() ? "f32" : element.isF16() ? "f16" : element.isBF16() ? "bf16" : "";
}

double rounded(double value, const std::string& element) {
  if (element == "f16") return reference::roundToHalf(value);
  return element == "bf16" ? reference::roundToBFloat(value) : (double)(float)value;
}

void store(std::byte* to, double value, const std::string& element) {
  const float single = (float)value;
  uint32_t bits;
  std::memcpy(&bits, &single, 4);
  const uint16_t half = element == "f16" ? f32ToF16(single) : (uint16_t)(bits >> 16);
  if (element == "f32")
    std::memcpy(to, &bits, 4);
  else
    std::memcpy(to, &half, 2);
}

}  // namespace

double KernelInputs::uniform() {
  random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
  return (double)(random_ >> 11) * 0x1.0p-53;
}

/// Sum of twelve uniform numbers: near enough to normal.
double KernelInputs::normal() {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += uniform();
  return sum;
}

size_t KernelInputs::addBuffer(std::string name, uint64_t bytes, bool writable, int fill, bool constant) {
  DeviceBuffer buffer;
  buffer.name = std::move(name);
  buffer.bytes = bytes;
  // Room behind, in which a planted fault harms nobody until the checked run sees it.
  const uint64_t whole = (bytes + 255) / 256 * 256 + 65536;
  buffer.data = guardedMemory(whole);
  std::memset(buffer.data.get(), fill, whole);
  memory_.add(buffer.data.get(), bytes, buffer.name, writable, constant);
  buffers_.push_back(std::move(buffer));
  return buffers_.size() - 1;
}

KernelInputs::KernelInputs(const KernelCase& test, kern::FuncOp function)
    : function_(function), random_(test.seed * 0x9E3779B97F4A7C15ull + 1) {
  makeBatch(test);
  addSamples(test);
  for (mlir::Value argument : function.getBody().front().getArguments()) addArgument(test, argument);
  for (mlir::Type type : function.getResultTypes()) addResult(type);
  if (!test.samples.empty()) findBest();
}

/// Pages of all sequences are drawn from one pool, in random order; the table has room for one page more.
void KernelInputs::makeBatch(const KernelCase& test) {
  std::vector<reference::Sequence> sequences;
  size_t stride = 1;
  for (const SequenceSpec& spec : test.sequences) {
    pages_ += (spec.past + spec.tokens + kPage - 1) / kPage;
    stride = std::max(stride, (size_t)((spec.past + spec.tokens + kPage - 1) / kPage + 1));
  }
  pages_ += 3;
  std::vector<int32_t> pool;
  for (int32_t page = 0; page < pages_; ++page) pool.push_back(page);
  for (size_t i = pool.size(); i > 1; --i) std::swap(pool[i - 1], pool[(size_t)(uniform() * (double)i)]);
  for (const SequenceSpec& spec : test.sequences) {
    reference::Sequence sequence;
    sequence.past = spec.past;
    for (int32_t i = 0; i < spec.tokens; ++i) sequence.tokenIds.push_back((int32_t)(uniform() * test.vocabulary));
    for (int64_t i = 0; i < (spec.past + spec.tokens + kPage - 1) / kPage; ++i) {
      sequence.pages.push_back(pool.back());
      pool.pop_back();
    }
    sequences.push_back(std::move(sequence));
  }
  batch_ = reference::makeBatch(sequences, test.sampleAll);
  std::vector<int32_t> slots, starts = {0}, table;
  for (int64_t t = 0; t < batch_.tokens(); ++t) {
    const int32_t position = batch_.positions[(size_t)t];
    const auto& pages = batch_.blockTable[(size_t)batch_.tokenSeq[(size_t)t]];
    slots.push_back(pages[(size_t)position / kPage] * (int32_t)kPage + position % (int32_t)kPage);
  }
  for (const SequenceSpec& spec : test.sequences) starts.push_back(starts.back() + spec.tokens);
  for (const reference::Sequence& sequence : sequences)
    for (size_t i = 0; i < stride; ++i) table.push_back(i < sequence.pages.size() ? sequence.pages[i] : -1);
  auto device = [&](const char* name, const std::vector<int32_t>& values) {
    size_t index = addBuffer(std::string("batch.") + name, values.size() * 4, false, 0xff);
    std::memcpy(buffers_[index].data.get(), values.data(), values.size() * 4);
    return reinterpret_cast<const int32_t*>(buffers_[index].data.get());
  };
  deviceBatch_ = {(int32_t)batch_.tokens(),
                  (int32_t)batch_.sampleRows.size(),
                  (int32_t)sequences.size(),
                  (int32_t)stride,
                  device("tokenIds", batch_.tokenIds),
                  device("positions", batch_.positions),
                  device("slots", slots),
                  device("tokenSeq", batch_.tokenSeq),
                  device("queryStarts", starts),
                  device("contextLens", batch_.contextLens),
                  device("blockTable", table),
                  device("sampleRows", batch_.sampleRows)};
  leaveTokens(sequences);
}

/// Sequences of one token get it from a row of the step before; every second of those rows got none.
void KernelInputs::leaveTokens(const std::vector<reference::Sequence>& sequences) {
  const uint64_t stride = rt::rowStrideBytes(4);
  const size_t rows = sequences.size();
  const size_t index = addBuffer("batch.lastTokens", rows * stride, false, 0xff);
  std::byte* left = buffers_[index].data.get();
  deviceBatch_.lastTokens = reinterpret_cast<const float*>(left);
  auto* ids = const_cast<int32_t*>(deviceBatch_.tokenIds);  // our own buffer
  size_t token = 0;
  for (size_t s = 0; s < rows; token += sequences[s++].tokenIds.size()) {
    if (sequences[s].tokenIds.size() != 1) continue;
    const size_t row = rows - 1 - s;
    if (s % 4 == 3) batch_.tokenIds[token] = 0;
    store(left + row * stride, s % 4 == 3 ? -1 : batch_.tokenIds[token], "f32");
    ids[token] = -1 - (int32_t)row;
  }
}

int64_t KernelInputs::rowsOf(mlir::Type type) const {
  const std::string rows = llm::toString(llm::rowsDim(type));
  if (rows == "T") return batch_.tokens();
  return rows == "S" ? (int64_t)batch_.sampleRows.size() : std::stoll(rows);
}

void KernelInputs::addArgument(const KernelCase& test, mlir::Value argument) {
  mlir::Type type = argument.getType();
  if (llvm::isa<mlir::RankedTensorType>(type) || isE4M3(type)) return addActivation(test, type);
  if (llvm::isa<llm::WeightType>(type)) return addWeight(argument);
  if (auto kv = llvm::dyn_cast<llm::KvType>(type)) return addCache(kv);
  if (!llvm::isa<llm::BatchType>(type)) {
    error_ = "an argument of a type that CUDA kernels do not take";
    return;
  }
  size_t index = addBuffer("batch", sizeof(rt::Batch), false, 0);
  std::memcpy(buffers_[index].data.get(), &deviceBatch_, sizeof deviceBatch_);
  words_.push_back((uint64_t)buffers_[index].data.get());
}

/// Rows with their stride; the rows behind may be read and hold NaN.
void KernelInputs::addActivation(const KernelCase& test, mlir::Type type) {
  Matrix matrix;
  matrix.element = elementOf(type);
  if (matrix.element.empty()) error_ = "an activation of an element type that CUDA kernels do not take";
  const int64_t rows = rowsOf(type), cols = llm::cols(type);
  matrix.stride = strideOf(matrix.element, cols);
  matrix.values = reference::Tensor(rows, cols);
  const std::string name = "x" + std::to_string(words_.size());
  matrix.buffer = addBuffer(name, matrix.stride * (uint64_t)(rows + rt::kPaddingRows), false, 0xff);
  for (int64_t r = 0; r < rows && matrix.element == "e4m3"; ++r) {
    std::byte* row = buffers_[matrix.buffer].data.get() + (uint64_t)r * matrix.stride;
    const auto scale = (float)(test.activations * (0.01 + 0.01 * uniform()));
    std::memset(row, 0, rt::e4m3ScaleAt((uint64_t)cols));
    std::memcpy(row + rt::e4m3ScaleAt((uint64_t)cols), &scale, 4);
    for (int64_t c = 0; c < cols; ++c) {
      const uint8_t code = f32ToE4M3((float)(normal() * 100));
      row[c] = (std::byte)code;
      matrix.values.at(r, c) = (double)scale * e4m3ToF32(code);
    }
  }
  for (int64_t r = 0; r < rows && matrix.element != "e4m3"; ++r)
    for (int64_t c = 0; c < cols; ++c) {
      double& value = matrix.values.at(r, c);
      value = rounded(normal() * test.activations, matrix.element);
      store(
          buffers_[matrix.buffer].data.get() + (uint64_t)r * matrix.stride + (uint64_t)c * elementBytes(matrix.element),
          value, matrix.element);
    }
  words_.push_back((uint64_t)buffers_[matrix.buffer].data.get());
  activations_.push_back(std::move(matrix));
}

/// What a weight is packed from; values spread alike whatever it is stored as.
struct KernelInputs::RandomWeight {
  std::vector<int32_t> codes;
  std::vector<uint16_t> scales, mins, blocks, blockMins;
  std::vector<float> rowScales;
};

KernelInputs::RandomWeight KernelInputs::randomWeight(llm::WeightType type, Layout layout) {
  const WeightKind kind = weightKind(type.getQuant().getKind());
  const QuantFormat format = quantFormat(layout);
  const int64_t rows = type.rows(), cols = type.cols(), groups = (cols + format.group - 1) / format.group;
  const double range = type.isMatrix() ? std::sqrt(3.0 / (double)cols) : 0.1, middle = type.isMatrix() ? 0 : 1;
  RandomWeight weight;
  weight.codes.resize((size_t)(rows * cols));
  for (int32_t& code : weight.codes) {
    const float value = (float)(middle + range * (2 * uniform() - 1));
    uint32_t word;
    std::memcpy(&word, &value, 4);
    code = format.bits == 8          ? (int32_t)(uniform() * 255) - 127
           : format.bits != 0        ? (int32_t)(uniform() * (double)(1 << format.bits))
           : layout == Layout::Plain ? (int32_t)word
           : kind == WeightKind::F16 ? f32ToF16(value)
                                     : (int32_t)(word >> 16);
  }
  const double step = range / (format.bits == 8 ? 127 : (double)(1 << format.bits) / 2);
  weight.scales.resize((size_t)(rows * groups)), weight.mins.resize(weight.scales.size());
  for (uint16_t& scale : weight.scales) scale = f32ToF16((float)(step * (0.5 + uniform())));
  for (uint16_t& min : weight.mins) min = f32ToF16((float)(-range * (0.5 + uniform())));
  weight.rowScales.resize((size_t)rows);
  for (float& scale : weight.rowScales) scale = (float)(range / 448 * (0.5 + uniform()));
  if (kind == WeightKind::E4M3)
    for (int32_t& code : weight.codes) code = f32ToE4M3((float)(896 * uniform() - 448));
  if (!format.byteScales) return weight;
  // Bytes of 6 bits, or of 8 with a sign, and for 256 columns of a row what they are multiplied with.
  weight.blocks.resize((size_t)(rows * ((cols + kScaleBlock - 1) / kScaleBlock)));
  weight.blockMins.resize(weight.blocks.size());
  for (uint16_t& scale : weight.scales) scale = (uint16_t)(uniform() * (format.asymmetric ? 64 : 256));
  for (uint16_t& min : weight.mins) min = (uint16_t)(uniform() * 64);
  for (uint16_t& d : weight.blocks) d = f32ToF16((float)(step / (format.asymmetric ? 48 : 96) * (0.5 + uniform())));
  for (uint16_t& d : weight.blockMins) d = f32ToF16((float)(range / 48 * (0.5 + uniform())));
  return weight;
}

void KernelInputs::addWeight(mlir::Value argument) {
  auto type = llvm::cast<llm::WeightType>(argument.getType());
  for (mlir::Operation* user : argument.getUsers())
    if (auto rope = llvm::dyn_cast<llm::RopeOp>(user)) return addRopeTable(argument, rope.getRope());
  auto layout = type.isMatrix() ? fragmentLayoutFor(type.getQuant()) : Layout::Plain;
  if (!layout) {
    error_ = "a matrix of f32 has no layout on CUDA";
    return;
  }
  const int64_t rows = type.rows(), cols = type.cols();
  const RandomWeight weight = randomWeight(type, *layout);
  const uint64_t bytes = (uint64_t)packedBytes(*layout, rows, cols);
  size_t index = addBuffer("w" + std::to_string(words_.size()), bytes + 4096, false, 0xff, true);
  auto* packed = reinterpret_cast<uint8_t*>(buffers_[index].data.get());
  packReference(*layout,
                {rows, cols, weight.codes.data(), weight.scales.data(), weight.mins.data(), weight.blocks.data(),
                 weight.blockMins.data(), weight.rowScales.data()},
                packed);
  reference::Tensor tensor(rows, cols);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) tensor.at(r, c) = unpackElement(*layout, packed, cols, r, c);
  weights_.push_back(std::move(tensor));
  words_.push_back((uint64_t)packed);
}

/// The table that an engine would hold for the rope op that reads it.
void KernelInputs::addRopeTable(mlir::Value argument, llm::RopeAttr rope) {
  auto type = llvm::cast<llm::WeightType>(argument.getType());
  RopeSpec spec;
  spec.theta = rope.getTheta();
  spec.dim = rope.getDim();
  spec.maxPositions = (type.rows() - 256) * 256;
  spec.scaling = rope.getScaling() == llm::RopeScaling::Linear   ? RopeSpec::Scaling::Linear
                 : rope.getScaling() == llm::RopeScaling::Llama3 ? RopeSpec::Scaling::Llama3
                                                                 : RopeSpec::Scaling::None;
  spec.factor = rope.getFactor();
  spec.lowFactor = rope.getLow();
  spec.highFactor = rope.getHigh();
  spec.original = (double)rope.getOriginal();
  std::vector<float> table = ropeTable(spec);
  size_t index = addBuffer("angles", table.size() * 4 + 4096, false, 0xff, true);
  std::memcpy(buffers_[index].data.get(), table.data(), table.size() * 4);
  weights_.emplace_back();
  words_.push_back((uint64_t)buffers_[index].data.get());
}

std::vector<KernelInputs::Written> KernelInputs::written() const {
  std::vector<Written> all;
  for (const Matrix& result : results_) all.push_back({result.buffer, result.element, result.stride});
  if (hasCache_)
    all.push_back({cacheBuffer_,
                   kv_.hasScales()                         ? "bytes"
                   : kv_.getKind() == llm::QuantKind::BF16 ? "bf16"
                                                           : "f16",
                   pageBytes_});
  return all;
}

void KernelInputs::addResult(mlir::Type type) {
  Matrix matrix;
  matrix.element = llvm::isa<mlir::RankedTensorType>(type) || isE4M3(type) ? elementOf(type) : "";
  if (matrix.element.empty()) {
    error_ = "a result of a type that the harness does not compare";
    return;
  }
  const int64_t rows = rowsOf(type), cols = llm::cols(type);
  matrix.stride = strideOf(matrix.element, cols);
  matrix.values = reference::Tensor(rows, cols);
  const std::string name = "result" + std::to_string(results_.size());
  // Rows past the live ones belong to the buffer, but nobody may write them: compare() looks.
  matrix.buffer = addBuffer(name, matrix.stride * (uint64_t)(rows + rt::kPaddingRows), true, 0xff);
  words_.push_back((uint64_t)buffers_[matrix.buffer].data.get());
  results_.push_back(std::move(matrix));
}

}  // namespace llmc::emu
