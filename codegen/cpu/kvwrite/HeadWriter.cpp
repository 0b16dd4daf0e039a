// Stores of heads: f32 rows, columns of transposed K pages, rows of V pages.
#include "codegen/cpu/kvwrite/HeadWriter.h"

#include "codegen/cpu/region/Lanes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

LogicalResult HeadWriter::collect(kern::FuncOp function) {
  const int64_t dim = kv_.getDim();
  if (kv_.getKind() == llm::QuantKind::BF16 || kv_.getKind() == llm::QuantKind::E4M3)
    return write_.emitOpError("has no code on the CPU for a cache of ") << llm::stringifyQuantKind(kv_.getKind());
  if (dim % kChunk != 0 || kv_.getPage() != rt::kPageTokens)
    return write_.emitOpError("has no code on the CPU: heads must be a multiple of 16 columns, pages 16 tokens");
  Block &block = function.getBody().front();
  int64_t first = 0;
  for (auto [i, result] : llvm::enumerate(block.getTerminator()->getOperands())) {
    if (!llm::isActivation(result.getType()) || llm::cols(result.getType()) % dim != 0)
      return function.emitError("expected result ")
             << i << " of a kernel with kv_write to be heads of " << dim << ", found " << result.getType();
    int64_t heads = llm::cols(result.getType()) / dim;
    parts_.push_back({HeadPart::Result, result, first, heads, k_.arg(block.getNumArguments() + i)});
    first += heads;
  }
  parts_.push_back({HeadPart::Key, write_.getK(), first, kv_.getHeads()});
  parts_.push_back({HeadPart::Value, write_.getV(), first + kv_.getHeads(), kv_.getHeads()});
  return success();
}

HeadWriter::Place HeadWriter::place(Value row, Value head) {
  Value slots = k_.batchPtr(region_.pointer(write_.getBatch()), offsetof(rt::Batch, slots));
  Value slot = k_.loadIndex(slots, row);
  Value offset = k_.mul(k_.divUI(slot, rt::kPageTokens), kv_.getLayers() * kv_.layerBytes());
  return {k_.address(region_.pointer(write_.getKv()), offset), k_.remUI(slot, rt::kPageTokens), head};
}

KernelBuilder::Values HeadWriter::encoded(const Place &at, llvm::ArrayRef<Value> chunks, bool values) {
  KernelBuilder::Values codes;
  if (!int8()) {
    for (Value x : chunks)
      codes.push_back(kv_.getKind() == llm::QuantKind::F32 ? x : k_.truncF16(x));
    return codes;
  }
  ImplicitLocOpBuilder &b = k_.b();
  Value most = math::AbsFOp::create(b, chunks.front());
  for (Value x : chunks.drop_front())
    most = k_.maxF(most, math::AbsFOp::create(b, x));
  Value top = k_.reduceMax(most), zero = k_.constant(k_.f32(), 0.0);
  // Below this the reciprocal overflows; such a head is as good as zero.
  Value any = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, top, k_.constant(k_.f32(), 1e-30));
  Value scale = arith::SelectOp::create(b, any, k_.mulF(top, k_.constant(k_.f32(), 1.0 / 127)), zero);
  Value inverse = arith::SelectOp::create(b, any, k_.divF(k_.constant(k_.f32(), 127), top), zero);
  Value factor = k_.splat(inverse, kChunk);
  for (Value x : chunks)
    codes.push_back(arith::TruncIOp::create(b, k_.vec(kChunk, k_.i8()), roundToInt(k_, k_.mulF(x, factor))));
  const int64_t elements = 2 * kv_.getHeads() * kv_.getDim() * rt::kPageTokens, scales = rt::kPageTokens * 4;
  Value index = k_.add(k_.mul(at.head, scales), k_.mul(at.token, 4));
  k_.store(scale, at.layer, index, elements + (values ? kv_.getHeads() * scales : 0), 4);
  return codes;
}

void HeadWriter::storeResult(const HeadPart &part, Value row, Value head, llvm::ArrayRef<Value> chunks) {
  Value at = k_.add(k_.mul(row, RegionEmitter::rowStride(part.value.getType())), k_.mul(head, kv_.getDim() * 4));
  for (auto [i, x] : llvm::enumerate(chunks))
    k_.store(x, part.target, at, i * kChunk * 4, 4);
}

/// Lane `lane` of `vector`, `bytes` wide, `step` bytes from one lane to the next.
static void scatter(KernelBuilder &k, Value vector, Value base, Value at, int64_t disp, int64_t step, int64_t bytes) {
  for (int64_t lane = 0; lane < cast<VectorType>(vector.getType()).getNumElements(); ++lane)
    k.store(vector::ExtractOp::create(k.b(), vector, llvm::ArrayRef<int64_t>{lane}), base, at, disp + lane * step,
            bytes);
}

void HeadWriter::storeKeyCodes(const Place &to, llvm::ArrayRef<Value> codes) {
  constexpr int64_t kLine = rt::kPageTokens * 4;
  Value at = k_.add(k_.mul(to.head, kv_.getDim() * rt::kPageTokens), k_.mul(to.token, 4));
  for (auto [i, code] : llvm::enumerate(codes)) {
    Value shifted = arith::XOrIOp::create(k_.b(), code, k_.constant(code.getType(), -128));
    scatter(k_, k_.bitcast(shifted, k_.vec(kChunk / 4, k_.i32())), to.layer, at, i * (kChunk / 4) * kLine, kLine, 4);
  }
}

void HeadWriter::storeValueCodes(const Place &to, llvm::ArrayRef<Value> codes) {
  const int64_t dim = kv_.getDim(), headBytes = dim * rt::kPageTokens;
  Value at = k_.add(k_.mul(to.head, headBytes), k_.add(k_.mul(k_.divUI(to.token, 4), dim * 4), k_.remUI(to.token, 4)));
  for (auto [i, code] : llvm::enumerate(codes))
    scatter(k_, code, to.layer, at, kv_.getHeads() * headBytes + i * kChunk * 4, 4, 1);
}

void HeadWriter::storeKey(Value row, Value head, llvm::ArrayRef<Value> chunks) {
  const int64_t size = kv_.elementBytes(), line = rt::kPageTokens * size;
  Place to = place(row, head);
  KernelBuilder::Values codes = encoded(to, chunks, false);
  if (int8())
    return storeKeyCodes(to, codes);
  Value at = k_.add(k_.mul(head, kv_.getDim() * line), k_.mul(to.token, size));
  for (auto [i, code] : llvm::enumerate(codes))
    scatter(k_, code, to.layer, at, i * kChunk * line, line, size);
}

void HeadWriter::storeValue(Value row, Value head, llvm::ArrayRef<Value> chunks) {
  const int64_t size = kv_.elementBytes(), headBytes = kv_.getDim() * rt::kPageTokens * size;
  Place to = place(row, head);
  if (int8())
    return storeValueCodes(to, encoded(to, chunks, true));
  Value at = k_.add(k_.mul(head, headBytes), k_.mul(to.token, kv_.getDim() * size));
  for (auto [i, codes] : llvm::enumerate(encoded(to, chunks, true)))
    k_.store(codes, to.layer, at, kv_.getHeads() * headBytes + i * kChunk * size, size);
}

void HeadWriter::emit(const HeadPart &part, Value row, Value head) {
  KernelBuilder::Values chunks = HeadEmitter(k_, region_, kv_.getDim()).head(part.value, row, head);
  if (part.kind == HeadPart::Result)
    storeResult(part, row, head, chunks);
  else if (part.kind == HeadPart::Key)
    storeKey(row, head, chunks);
  else
    storeValue(row, head, chunks);
}

} // namespace llmc
