// Kernels that end in kv_write: heads of queries, keys and values of all tokens are the work items of the workers.
#include "codegen/cpu/KernelEmitter.h"

#include "codegen/cpu/kvwrite/HeadEmitter.h"
#include "codegen/cpu/region/Lanes.h"
#include "codegen/cpu/rows/RowCount.h"
#include "dialects/LLM/LLMTypes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {
namespace {

/// Consecutive work items of one token: heads of one value, stored in one way.
struct Part {
  enum Kind { Result, Key, Value } kind;
  mlir::Value value;
  int64_t heads;
  mlir::Value target = {}; ///< Result: pointer of its row 0
};

/// A layer of a page (f16): K [kv head][D][16 tokens], then V [kv head][16 tokens][D].
class KvWriteEmitter {
public:
  KvWriteEmitter(KernelBuilder &k, kern::FuncOp function, llm::KvWriteOp write, llvm::ArrayRef<Value> words)
      : k_(k), function_(function), write_(write), words_(words), kv_(cast<llm::KvType>(write.getKv().getType())) {}

  LogicalResult emit();

private:
  LogicalResult collectParts();
  void emitPart(const Part &part, Value row, Value head);
  void storeResult(const Part &part, Value row, Value head, llvm::ArrayRef<Value> chunks);
  void storeKey(Value row, Value head, llvm::ArrayRef<Value> chunks);
  void storeValue(Value row, Value head, llvm::ArrayRef<Value> chunks);
  /// Address of (page of the row's slot, head), and the slot's place in its page.
  std::pair<Value, Value> place(Value row, Value head);

  KernelBuilder &k_;
  kern::FuncOp function_;
  llm::KvWriteOp write_;
  llvm::ArrayRef<Value> words_;
  llm::KvType kv_;
  llvm::SmallVector<Part> parts_;
  RegionEmitter *region_ = nullptr;
};

LogicalResult KvWriteEmitter::collectParts() {
  const int64_t dim = kv_.getDim();
  if (dim % kChunk != 0 || kv_.getPage() != rt::kPageTokens)
    return write_.emitOpError("has no code on the CPU: heads must be a multiple of 16 columns, pages 16 tokens");
  Block &block = function_.getBody().front();
  for (auto [i, result] : llvm::enumerate(block.getTerminator()->getOperands())) {
    if (!llm::isActivation(result.getType()) || llm::cols(result.getType()) % dim != 0)
      return function_.emitError("result ") << i << " of a kv_write kernel is not made of heads of " << dim;
    parts_.push_back({Part::Result, result, llm::cols(result.getType()) / dim, k_.arg(block.getNumArguments() + i)});
  }
  parts_.push_back({Part::Key, write_.getK(), kv_.getHeads()});
  parts_.push_back({Part::Value, write_.getV(), kv_.getHeads()});
  return success();
}

std::pair<Value, Value> KvWriteEmitter::place(Value row, Value head) {
  const int64_t headBytes = kv_.getDim() * rt::kPageTokens * 2;
  const int64_t pageBytes = kv_.getLayers() * 2 * kv_.getHeads() * headBytes;
  Value slots = k_.batchPtr(region_->pointer(write_.getBatch()), offsetof(rt::Batch, slots));
  Value slot = k_.loadIndex(slots, row);
  Value offset = k_.add(k_.mul(k_.divUI(slot, rt::kPageTokens), pageBytes), k_.mul(head, headBytes));
  return {k_.address(region_->pointer(write_.getKv()), offset), k_.remUI(slot, rt::kPageTokens)};
}

void KvWriteEmitter::storeResult(const Part &part, Value row, Value head, llvm::ArrayRef<Value> chunks) {
  Value at = k_.add(k_.mul(row, RegionEmitter::rowStride(part.value.getType())), k_.mul(head, kv_.getDim() * 4));
  for (auto [i, x] : llvm::enumerate(chunks))
    k_.store(x, part.target, at, i * kChunk * 4, 4);
}

void KvWriteEmitter::storeKey(Value row, Value head, llvm::ArrayRef<Value> chunks) {
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

void KvWriteEmitter::storeValue(Value row, Value head, llvm::ArrayRef<Value> chunks) {
  const int64_t keyBytes = kv_.getHeads() * kv_.getDim() * rt::kPageTokens * 2;
  auto [page, token] = place(row, head);
  for (auto [i, x] : llvm::enumerate(chunks))
    k_.store(k_.truncF16(x), page, k_.mul(token, kv_.getDim() * 2), keyBytes + i * kChunk * 2, 2);
}

void KvWriteEmitter::emitPart(const Part &part, Value row, Value head) {
  KernelBuilder::Values chunks = HeadEmitter(k_, *region_, kv_.getDim()).head(part.value, row, head);
  if (part.kind == Part::Result)
    storeResult(part, row, head, chunks);
  else if (part.kind == Part::Key)
    storeKey(row, head, chunks);
  else
    storeValue(row, head, chunks);
}

LogicalResult KvWriteEmitter::emit() {
  FailureOr<Value> rows = rowCount(k_, function_, words_);
  if (failed(rows) || failed(collectParts()))
    return failure();
  int64_t heads = 0;
  for (const Part &part : parts_)
    heads += part.heads;
  // Items are numbered token-major; a worker's range [begin, end) may start and end within a token.
  auto [begin, end] = k_.workerRange(k_.mul(*rows, heads));
  RegionEmitter region(k_, function_.getBody().front(), words_);
  region_ = &region;
  Value firstRow = k_.divUI(begin, heads), lastRow = k_.ceilDiv(end, heads);
  k_.forEach(firstRow, lastRow, 1, [&](Value row) {
    Value from = k_.sub(begin, k_.mul(row, heads)), to = k_.sub(end, k_.mul(row, heads));
    int64_t first = 0;
    for (const Part &part : parts_) {
      Value low = k_.maxSI(k_.add(from, -first), k_.c(0)), high = k_.minSI(k_.add(to, -first), k_.c(part.heads));
      k_.forEach(low, high, 1, [&](Value head) { emitPart(part, row, head); });
      first += part.heads;
    }
  });
  return region.status();
}

} // namespace

LogicalResult emitKvWriteKernel(ModuleOp module, const EmitRequest &request) {
  kern::FuncOp function = request.function;
  Block &block = function.getBody().front();
  auto writes = block.getOps<llm::KvWriteOp>();
  if (!llvm::hasSingleElement(writes))
    return function.emitError("expected exactly one llm.kv_write in a kv_write kernel");
  const unsigned inputs = block.getNumArguments();
  KernelBuilder k(module, request.symbol, inputs + block.getTerminator()->getNumOperands(), request.level);
  llvm::SmallVector<Value> words;
  for (unsigned i = 0; i < inputs; ++i)
    words.push_back(k.arg(i));
  LogicalResult status = KvWriteEmitter(k, function, *writes.begin(), words).emit();
  k.finish();
  return status;
}

} // namespace llmc
