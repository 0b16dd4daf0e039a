// Walks a region's ops on demand: which op's code gives a chunk, and what must be prepared for a row.
#include "codegen/cpu/RegionEmitter.h"

#include "codegen/cpu/region/Activations.h"
#include "codegen/cpu/region/Lanes.h"
#include "dialects/LLM/LLMTypes.h"
#include "runtime/format/kernel_abi.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace llmc {

RegionEmitter::RegionEmitter(KernelBuilder &kernel, Block &block, llvm::ArrayRef<Value> argWords) : k_(kernel) {
  for (auto [argument, word] : llvm::zip(block.getArguments(), argWords))
    pointers_[argument] = word;
}

void RegionEmitter::bind(Value value, ChunkFn chunk) { bound_[value] = std::move(chunk); }

void RegionEmitter::bindRow(Value value, Value rowPointer) {
  bind(value, [this, rowPointer](Value, Value column) {
    return k_.load(k_.vec(kChunk, k_.f32()), rowPointer, k_.mul(column, 4), 0, 4);
  });
}

Value RegionEmitter::pointer(Value blockArgument) const { return pointers_.lookup(blockArgument); }

int64_t RegionEmitter::rowStride(Type type) {
  if (auto qact = dyn_cast<llm::QActType>(type))
    return rt::rowStrideBytes(rt::quantizedRowBytes(qact.getCols(), qact.biasGroup()));
  auto tensor = cast<RankedTensorType>(type);
  int64_t columns = tensor.getRank() == 2 ? tensor.getDimSize(1) : 1;
  return rt::rowStrideBytes(columns * tensor.getElementTypeBitWidth() / 8);
}

Value RegionEmitter::zeros() { return k_.constant(k_.vec(kChunk, k_.f32()), 0.0); }

Value RegionEmitter::fail(Operation *op, llvm::StringRef why) {
  if (!failed_)
    op->emitOpError() << "has no code on the CPU here: " << why;
  failed_ = true;
  return zeros();
}

Value RegionEmitter::parameter(Value weight, Value column) {
  return k_.load(k_.vec(kChunk, k_.f32()), pointer(weight), k_.mul(column, 4), 0, 4);
}

void RegionEmitter::prepareRow(Value value, Value row) {
  if (bound_.contains(value))
    return;
  Operation *op = value.getDefiningOp();
  if (!op)
    return;
  // A selection changes the row that its operand is asked for.
  if (auto select = dyn_cast<llm::SelectRowsOp>(op))
    return prepare(select, row);
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      prepareRow(operand, row);
  llvm::TypeSwitch<Operation *>(op)
      .Case<llm::RMSNormOp, llm::LayerNormOp, llm::EmbedOp, llm::AttendMergeOp, llm::RopeOp, llm::RoundRowsOp>(
          [&](auto typed) { prepare(typed, row); });
}

void RegionEmitter::prepare(llm::SelectRowsOp op, Value row) {
  Value rows = k_.batchPtr(pointer(op.getBatch()), offsetof(rt::Batch, sampleRows));
  Value source = k_.loadIndex(rows, row);
  prepared_[op.getResult()] = {source};
  prepareRow(op.getX(), source);
}

Value RegionEmitter::rowAddress(Value value, Value row) {
  if (Value base = pointer(value))
    return k_.address(base, k_.mul(row, rowStride(value.getType())));
  if (auto op = value.getDefiningOp<llm::SelectRowsOp>())
    return rowAddress(op.getX(), prepared_.lookup(op.getResult()).front());
  if (auto op = value.getDefiningOp<llm::SliceOp>())
    if (Value base = rowAddress(op.getX(), row))
      return k_.address(base, Value(), op.getOffset() * 4);
  return Value();
}

Value RegionEmitter::loadChunk(Value argument, Value row, Value column) {
  auto type = cast<RankedTensorType>(argument.getType());
  Type element = type.getElementType();
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  Value at = k_.add(k_.mul(row, rowStride(type)), k_.mul(column, bytes));
  if (element.isF32())
    return k_.load(k_.vec(kChunk, element), pointer(argument), at, 0, 4);
  if (element.isF16())
    return k_.extF(k_.load(k_.vec(kChunk, element), pointer(argument), at, 0, 2));
  // bf16 is the high half of a float: one shift, where LLVM would call a library function below AVX512-BF16.
  return extBF16(k_, k_.load(k_.vec(kChunk, k_.b().getI16Type()), pointer(argument), at, 0, 2));
}

Value RegionEmitter::chunk(Value value, Value row, Value column) {
  if (auto bound = bound_.find(value); bound != bound_.end())
    return ChunkFn(bound->second)(row, column);
  if (pointers_.contains(value))
    return loadChunk(value, row, column);
  return llvm::TypeSwitch<Operation *, Value>(value.getDefiningOp())
      .Case<llm::RMSNormOp, llm::LayerNormOp, llm::EmbedOp, llm::AttendMergeOp, llm::RopeOp, llm::GluOp, llm::CastOp,
            llm::RoundRowsOp>([&](auto op) { return chunk(op, row, column); })
      .Case([&](llm::AddOp op) { return k_.addF(chunk(op.getLhs(), row, column), chunk(op.getRhs(), row, column)); })
      .Case([&](llm::MulOp op) { return k_.mulF(chunk(op.getLhs(), row, column), chunk(op.getRhs(), row, column)); })
      .Case([&](llm::ScaleOp op) {
        return k_.mulF(chunk(op.getX(), row, column), k_.constant(k_.vec(kChunk, k_.f32()), op.getFactor()));
      })
      .Case([&](llm::ActOp op) { return activation(k_, op.getFn(), chunk(op.getX(), row, column)); })
      .Case([&](llm::SoftcapOp op) {
        Type type = k_.vec(kChunk, k_.f32());
        Value x = k_.mulF(chunk(op.getX(), row, column), k_.constant(type, 1.0 / op.getCap()));
        return k_.mulF(tanh(k_, x), k_.constant(type, op.getCap()));
      })
      .Case([&](llm::SliceOp op) { return chunk(op.getX(), row, k_.add(column, op.getOffset())); })
      .Case([&](llm::SelectRowsOp op) { return chunk(op.getX(), prepared_.lookup(op.getResult()).front(), column); })
      .Default([&](Operation *op) { return fail(op, "it is not a row operation"); });
}

Value RegionEmitter::chunk(llm::GluOp op, Value row, Value column) {
  Value gate, up;
  if (op.getUp()) {
    gate = chunk(op.getGate(), row, column);
    up = chunk(op.getUp(), row, column);
  } else {
    Value first = k_.mul(column, 2);
    gate = chunk(op.getGate(), row, first);
    half_ = 1;
    up = chunk(op.getGate(), row, k_.add(first, kChunk));
    half_ = 0;
  }
  return k_.mulF(activation(k_, op.getAct(), gate), up);
}

Value RegionEmitter::chunk(llm::CastOp op, Value row, Value column) {
  Value x = chunk(op.getX(), row, column);
  Type element = cast<RankedTensorType>(op.getResult().getType()).getElementType();
  if (element.isF16())
    return k_.extF(k_.truncF16(x));
  return element.isBF16() ? extBF16(k_, truncBF16(k_, x)) : x;
}

} // namespace llmc
