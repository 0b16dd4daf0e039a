// Walks a region's ops on demand: which op's text gives an element, what lies in memory, and how a thread visits a row.
#include "codegen/cuda/RegionPrinter.h"

#include "dialects/LLM/LLMTypes.h"
#include "runtime/format/kernel_abi.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace llmc {

RegionPrinter::RegionPrinter(SourceWriter &writer, Block &block, llvm::ArrayRef<std::string> arguments) : w_(writer) {
  for (auto [argument, expression] : llvm::zip(block.getArguments(), arguments))
    pointers_[argument] = expression;
}

void RegionPrinter::bind(Value value, ElementFn element) { bound_[value] = std::move(element); }

const std::string &RegionPrinter::pointer(Value blockArgument) const {
  auto found = pointers_.find(blockArgument);
  assert(found != pointers_.end() && "expected a block argument");
  return found->second;
}

int64_t RegionPrinter::rowStride(Type type) {
  if (auto quantized = dyn_cast<llm::QActType>(type))
    return static_cast<int64_t>(rt::rowStrideBytes(rt::e4m3RowBytes(static_cast<uint64_t>(quantized.getCols()))));
  auto tensor = cast<RankedTensorType>(type);
  int64_t columns = tensor.getRank() == 2 ? tensor.getDimSize(1) : 1;
  return static_cast<int64_t>(rt::rowStrideBytes(columns * tensor.getElementTypeBitWidth() / 8));
}

std::string RegionPrinter::fail(Operation *op, llvm::StringRef why) {
  if (!failed_)
    op->emitOpError() << "has no code on CUDA here: " << why;
  failed_ = true;
  return "0.0f";
}

RegionPrinter::Elements RegionPrinter::failed(Operation *op, llvm::StringRef why, int64_t count) {
  return Elements(count, fail(op, why));
}

RegionPrinter::Elements RegionPrinter::name(llvm::StringRef hint, llvm::ArrayRef<std::string> values) {
  Elements names;
  for (const std::string &value : values)
    names.push_back(w_.let("float", hint, value));
  return names;
}

static llvm::StringRef formatOf(Type element) { return element.isF16() ? "F16" : element.isBF16() ? "BF16" : "F32"; }

static std::string plus(const std::string &expression, int64_t offset) {
  if (offset == 0)
    return expression;
  return (offset < 0 ? expression + " - " : expression + " + ") + std::to_string(std::abs(offset));
}

RegionPrinter::Elements RegionPrinter::load(const std::string &base, Type element, int64_t stride,
                                            const std::string &row, const std::string &col, int64_t count) {
  const int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  std::string at = base;
  if (stride != 0)
    at += " + static_cast<i64>(" + row + ") * " + std::to_string(stride);
  at += " + (" + col + ") * " + std::to_string(bytes);
  std::string name = w_.fresh("x"), width = std::to_string(count);
  w_.line("const Vec<" + width + "> " + name + " = load<" + formatOf(element) + ", " + width + ">(" + at + ");");
  Elements result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(name + ".v[" + std::to_string(i) + "]");
  return result;
}

RegionPrinter::Elements RegionPrinter::parameter(Value weight, const std::string &col, int64_t count) {
  return load(pointer(weight), Float32Type::get(weight.getContext()), 0, "", col, count);
}

std::string RegionPrinter::batchField(Value batch, llvm::StringRef field, const std::string &index) {
  return pointer(batch) + "->" + field.str() + "[" + index + "]";
}

std::string RegionPrinter::tokenOf(Value batch, const std::string &row) {
  return "tokenOf(" + pointer(batch) + ", " + batchField(batch, "tokenIds", row) + ")";
}

std::string RegionPrinter::sourceRow(llm::SelectRowsOp op, const std::string &row) {
  if (auto known = prepared_.find(op.getResult()); known != prepared_.end())
    return known->second.front();
  return w_.let("int", "row", batchField(op.getBatch(), "sampleRows", row));
}

std::string RegionPrinter::address(Value value, const std::string &row) {
  if (pointers_.contains(value))
    return pointer(value) + " + static_cast<i64>(" + row + ") * " + std::to_string(rowStride(value.getType()));
  if (auto op = value.getDefiningOp<llm::SelectRowsOp>())
    return address(op.getX(), sourceRow(op, row));
  if (auto op = value.getDefiningOp<llm::SliceOp>())
    if (std::string base = address(op.getX(), row); !base.empty())
      return plus(base, op.getOffset() * 4);
  return "";
}

bool RegionPrinter::needsRow(Value value) const {
  Operation *op = value.getDefiningOp();
  if (!op || bound_.contains(value))
    return false;
  return isa<llm::RMSNormOp, llm::LayerNormOp, llm::AttendMergeOp, llm::QuantizeOp>(op) ||
         llvm::any_of(op->getOperands(), [&](Value operand) { return needsRow(operand); });
}

void RegionPrinter::prepareRow(Value value, const std::string &row) {
  Operation *op = value.getDefiningOp();
  if (!op || bound_.contains(value) || prepared_.contains(value))
    return;
  if (auto select = dyn_cast<llm::SelectRowsOp>(op)) {
    // A selection changes the row that its operand is asked for.
    std::string source = sourceRow(select, row);
    prepared_[value] = {source};
    return prepareRow(select.getX(), source);
  }
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      prepareRow(operand, row);
  if (threads_ == 0 && isa<llm::RMSNormOp, llm::LayerNormOp, llm::AttendMergeOp, llm::QuantizeOp>(op)) {
    fail(op, "this kernel has no whole row in one block");
    return;
  }
  llvm::TypeSwitch<Operation *>(op)
      .Case<llm::RMSNormOp, llm::LayerNormOp, llm::AttendMergeOp, llm::QuantizeOp>(
          [&](auto typed) { prepare(typed, row); })
      .Case([&](llm::EmbedOp typed) { prepared_[value] = {w_.let("int", "token", tokenOf(typed.getBatch(), row))}; })
      .Case([&](llm::RopeOp typed) {
        prepared_[value] = {w_.let("int", "position", batchField(typed.getBatch(), "positions", row))};
      });
}

void RegionPrinter::forgetRow() {
  prepared_.clear();
  preparedHead_.clear();
  kept_.clear();
}

void RegionPrinter::forgetHead() {
  for (Value value : preparedHead_)
    prepared_.erase(value);
  preparedHead_.clear();
}

int64_t RegionPrinter::steps(int64_t columns) const {
  const int64_t perStep = threads_ * vectorWidth(columns);
  return (columns + perStep - 1) / perStep;
}

void RegionPrinter::forColumns(int64_t columns, llvm::function_ref<void(const std::string &col)> body) {
  const int64_t width = vectorWidth(columns), perStep = threads_ * width, count = steps(columns);
  std::string index = "0", thread = "static_cast<int>(threadIdx.x)",
              scale = width == 1 ? "" : " * " + std::to_string(width);
  std::optional<SourceWriter::Scope> loop, guard;
  if (count > 1) {
    index = w_.fresh("step");
    // Rows in registers are indexed by the step, so that all steps must be written out; long loops are not.
    w_.line(count <= 8 ? "#pragma unroll" : "#pragma unroll 4");
    loop.emplace(
        w_.scope("for (int " + index + " = 0; " + index + " < " + std::to_string(count) + "; ++" + index + ")"));
    thread = "(" + index + " * " + std::to_string(threads_) + " + " + thread + ")";
  }
  std::string col = w_.fresh("col");
  if (count == 1 && columns % perStep == 0)
    loop.emplace(w_.scope(""));
  if (count == 1 && columns % perStep != 0) {
    guard.emplace(
        w_.scope("if (const int " + col + " = " + thread + scale + "; " + col + " < " + std::to_string(columns) + ")"));
  } else {
    w_.line("const int " + col + " = " + thread + scale + ";");
    if (columns % perStep != 0)
      guard.emplace(w_.scope("if (" + col + " < " + std::to_string(columns) + ")"));
  }
  std::optional<Walk> outer = std::exchange(walk_, Walk{index, col, columns});
  body(col);
  walk_ = outer;
  guard.reset();
  loop.reset();
}

std::string RegionPrinter::element(Value value, const std::string &row, const std::string &col) {
  return elements(value, row, col, 1).front();
}

/// The same as elements(), one after another: for neighbours that no vector holds.
RegionPrinter::Elements RegionPrinter::single(Value value, const std::string &row, const std::string &col,
                                              int64_t count) {
  Elements result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(element(value, row, w_.let("int", "col", plus(col, i))));
  return result;
}

RegionPrinter::Elements RegionPrinter::elements(Value value, const std::string &row, const std::string &col,
                                                int64_t count) {
  if (auto bound = bound_.find(value); bound != bound_.end()) {
    ElementFn element = bound->second; // it may bind more
    Elements result;
    for (int64_t i = 0; i < count; ++i)
      result.push_back(element(row, count == 1 ? col : w_.let("int", "col", plus(col, i))));
    return result;
  }
  if (auto kept = kept_.find(value); kept != kept_.end() && walk_ && kept->second.row == row && walk_->col == col &&
                                     walk_->columns == kept->second.columns && count == vectorWidth(walk_->columns)) {
    Elements result;
    for (int64_t i = 0; i < count; ++i)
      result.push_back(kept->second.name + "[" + walk_->index + "][" + std::to_string(i) + "]");
    return result;
  }
  if (pointers_.contains(value)) {
    auto type = cast<RankedTensorType>(value.getType());
    return load(pointer(value), type.getElementType(), rowStride(type), row, col, count);
  }
  return llvm::TypeSwitch<Operation *, Elements>(value.getDefiningOp())
      .Case<llm::RMSNormOp, llm::LayerNormOp, llm::EmbedOp, llm::AttendMergeOp, llm::RopeOp, llm::SelectRowsOp,
            llm::SliceOp, llm::GluOp, llm::CastOp, llm::ActOp, llm::ScaleOp, llm::SoftcapOp, llm::AddOp, llm::MulOp>(
          [&](auto op) { return print(op, row, col, count); })
      .Case([&](llm::QuantizeOp op) {
        return failed(op, "products on this target read bf16 rows, not int8 ones (activations auto or bf16)", count);
      })
      .Default([&](Operation *op) { return failed(op, "it is not a row operation", count); });
}

void RegionPrinter::store(Value value, const std::string &row, const std::string &col, const std::string &pointer,
                          int64_t count) {
  if (!isa<RankedTensorType>(value.getType())) {
    auto quantize = value.getDefiningOp<llm::QuantizeOp>();
    if (quantize && quantize.getType().isE4M3())
      return storeE4M3(quantize, row, col, pointer, count);
    if (Operation *op = value.getDefiningOp())
      fail(op, "products on this target read bf16 rows, not int8 ones (activations auto or bf16)");
    return;
  }
  auto type = cast<RankedTensorType>(value.getType());
  // A cast that is stored need not be widened again to be rounded by the store.
  auto rounding = value.getDefiningOp<llm::CastOp>();
  const bool direct = rounding && !bound_.contains(value) && !kept_.contains(value);
  Elements x = elements(direct ? rounding.getX() : value, row, col, count);
  if (direct)
    w_.origin(rounding);
  w_.line("store<" + formatOf(type.getElementType()) + ", " + std::to_string(count) + ">(" + pointer +
          " + static_cast<i64>(" + row + ") * " + std::to_string(rowStride(type)) + " + (" + col + ") * " +
          std::to_string(type.getElementTypeBitWidth() / 8) + ", Vec<" + std::to_string(count) + ">{{" +
          llvm::join(x, ", ") + "}});");
}

} // namespace llmc
