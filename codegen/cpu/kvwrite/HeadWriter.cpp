// Stores of heads: f32 rows, columns of transposed K pages, rows of V pages.
#include "codegen/cpu/kvwrite/HeadWriter.h"

#include "codegen/cpu/region/Lanes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

LogicalResult HeadWriter::collect(kern::FuncOp function) {
  const int64_t dim = kv_.getDim();
  if (kv_.getKind() != llm::QuantKind::F16)
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

std::pair<Value, Value> HeadWriter::place(Value row, Value head) {
  const int64_t headBytes = kv_.getDim() * rt::kPageTokens * 2;
  const int64_t pageBytes = kv_.getLayers() * 2 * kv_.getHeads() * headBytes;
  Value slots = k_.batchPtr(region_.pointer(write_.getBatch()), offsetof(rt::Batch, slots));
  Value slot = k_.loadIndex(slots, row);
  Value offset = k_.add(k_.mul(k_.divUI(slot, rt::kPageTokens), pageBytes), k_.mul(head, headBytes));
  return {k_.address(region_.pointer(write_.getKv()), offset), k_.remUI(slot, rt::kPageTokens)};
}

void HeadWriter::storeResult(const HeadPart &part, Value row, Value head, llvm::ArrayRef<Value> chunks) {
  Value at = k_.add(k_.mul(row, RegionEmitter::rowStride(part.value.getType())), k_.mul(head, kv_.getDim() * 4));
  for (auto [i, x] : llvm::enumerate(chunks))
    k_.store(x, part.target, at, i * kChunk * 4, 4);
}

void HeadWriter::storeKey(Value row, Value head, llvm::ArrayRef<Value> chunks) {
  auto [page, token] = place(row, head);
  Value at = k_.address(page, k_.mul(token, 2));
  for (auto [i, x] : llvm::enumerate(chunks)) {
    Value halves = k_.truncF16(x);
    for (int64_t lane = 0; lane < kChunk; ++lane) {
      Value half = vector::ExtractOp::create(k_.b(), halves, llvm::ArrayRef<int64_t>{lane});
      k_.store(half, at, Value(), (i * kChunk + lane) * rt::kPageTokens * 2, 2);
    }
  }
}

void HeadWriter::storeValue(Value row, Value head, llvm::ArrayRef<Value> chunks) {
  const int64_t keyBytes = kv_.getHeads() * kv_.getDim() * rt::kPageTokens * 2;
  auto [page, token] = place(row, head);
  for (auto [i, x] : llvm::enumerate(chunks))
    k_.store(k_.truncF16(x), page, k_.mul(token, kv_.getDim() * 2), keyBytes + i * kChunk * 2, 2);
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
