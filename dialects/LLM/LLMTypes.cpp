// Text form and rules of the llm types, and the short forms of LLMTypes.h.
#include "dialects/LLM/LLMTypes.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#define GET_TYPEDEF_CLASSES
#include "dialects/LLM/LLMTypes.cpp.inc"

namespace llmc::llm {
using namespace mlir;

using EmitError = ::llvm::function_ref<InFlightDiagnostic()>;

void LLMDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/LLM/LLMTypes.cpp.inc"
      >();
}

std::string toString(Dim dim) { return dim.isT() ? "T" : dim.isS() ? "S" : std::to_string(dim.value); }

ParseResult parseDim(AsmParser& parser, Dim& dim) {
  OptionalParseResult number = parser.parseOptionalInteger(dim.value);
  if (number.has_value()) {
    if (succeeded(*number) && dim.value < 0)
      return parser.emitError(parser.getCurrentLocation(), "expected T, S or a positive number");
    return *number;
  }
  ::llvm::StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word)) return failure();
  if (word != "T" && word != "S") return parser.emitError(loc, "expected T, S or a number, found '") << word << "'";
  dim = word == "T" ? Dim::T() : Dim::S();
  return success();
}

RankedTensorType activationType(MLIRContext* ctx, Dim rows, int64_t cols, Type elem) {
  if (!elem) elem = Float32Type::get(ctx);
  int64_t size = rows.isFixed() ? rows.value : ShapedType::kDynamic;
  return RankedTensorType::get({size, cols}, elem, DimsAttr::get(ctx, {rows, Dim::fixed(cols)}));
}

DimsAttr dimsOf(Type type) {
  auto tensor = ::llvm::dyn_cast<RankedTensorType>(type);
  return tensor ? ::llvm::dyn_cast_or_null<DimsAttr>(tensor.getEncoding()) : DimsAttr();
}

Dim rowsDim(Type type) {
  if (auto qact = ::llvm::dyn_cast<QActType>(type)) return qact.getRows();
  return dimsOf(type).getDims()[0];
}

int64_t cols(Type type) {
  if (auto qact = ::llvm::dyn_cast<QActType>(type)) return qact.getCols();
  return dimsOf(type).getDims()[1].value;
}

RankedTensorType withCols(Type type, int64_t cols) {
  return activationType(type.getContext(), rowsDim(type), cols, ::llvm::cast<RankedTensorType>(type).getElementType());
}

bool isFloatActivation(Type type) {
  DimsAttr dims = dimsOf(type);
  if (!dims || dims.getDims().size() != 2 || !dims.getDims()[1].isFixed()) return false;
  Type elem = ::llvm::cast<RankedTensorType>(type).getElementType();
  return elem.isF32() || elem.isF16() || elem.isBF16();
}

bool isActivation(Type type) {
  return isFloatActivation(type) && ::llvm::cast<RankedTensorType>(type).getElementType().isF32();
}

bool isBf16Activation(Type type) {
  return isFloatActivation(type) && ::llvm::cast<RankedTensorType>(type).getElementType().isBF16();
}

// --- !llm.weight ---

Type WeightType::parse(AsmParser& parser) {
  ::llvm::SmallVector<int64_t> shape;
  QuantAttr quant;
  auto one = [&]() { return parser.parseInteger(shape.emplace_back()); };
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, one) || parser.parseComma() ||
      parser.parseAttribute(quant) || parser.parseGreater())
    return {};
  return parser.getChecked<WeightType>(parser.getContext(), shape, quant);
}

void WeightType::print(AsmPrinter& printer) const {
  printer << "<[";
  ::llvm::interleaveComma(getShape(), printer);
  printer << "], " << Attribute(getQuant()) << ">";
}

LogicalResult WeightType::verify(EmitError emitError, ::llvm::ArrayRef<int64_t> shape, QuantAttr quant) {
  if (shape.empty() || shape.size() > 2)
    return emitError() << "C1: expected one or two dimensions, found " << shape.size();
  for (int64_t n : shape)
    if (n <= 0) return emitError() << "C1: expected positive dimensions, found " << n;
  if (shape.size() == 1 && quant.isInteger())
    return emitError() << "C2: expected f32, f16 or bf16 for a one-dimensional weight, found "
                       << stringifyQuantKind(quant.getKind());
  return success();
}

// --- !llm.qact ---

Type QActType::parse(AsmParser& parser) {
  Dim rows;
  int64_t cols = 0, zero = 0;
  if (parser.parseLess() || parser.parseLSquare() || parseDim(parser, rows) || parser.parseComma() ||
      parser.parseInteger(cols) || parser.parseRSquare() || parser.parseComma())
    return {};
  if (succeeded(parser.parseOptionalKeyword("e4m3")))
    zero = kE4M3;
  else if (parser.parseKeyword("zero") || parser.parseEqual() || parser.parseInteger(zero))
    return {};
  if (zero < 0 && zero != kE4M3)
    return parser.emitError(parser.getCurrentLocation(), "expected zero to be 0, 8, 16, 32 or 128"), Type();
  if (parser.parseGreater()) return {};
  return parser.getChecked<QActType>(parser.getContext(), rows, cols, zero);
}

void QActType::print(AsmPrinter& printer) const {
  printer << "<[" << toString(getRows()) << ", " << getCols() << "], ";
  if (isE4M3())
    printer << "e4m3>";
  else
    printer << "zero = " << getZero() << ">";
}

LogicalResult QActType::verify(EmitError emitError, Dim, int64_t cols, int64_t zero) {
  if (cols <= 0) return emitError() << "C1: expected positive columns, found " << cols;
  if (zero != 0 && zero != 8 && zero != 16 && zero != 32 && zero != 128 && zero != kE4M3)
    return emitError() << "C2: expected zero to be 0, 8, 16, 32 or 128, found " << zero;
  return success();
}

// --- !llm.kv ---

LogicalResult KvType::verify(EmitError emitError, int64_t layers, int64_t heads, int64_t dim, int64_t page,
                             QuantKind kind) {
  if (kind != QuantKind::F32 && kind != QuantKind::F16 && kind != QuantKind::BF16 && kind != QuantKind::I8 &&
      kind != QuantKind::E4M3)
    return emitError() << "C2: expected kind to be f32, f16, bf16, i8 or e4m3, found " << stringifyQuantKind(kind);
  if (layers > 0 && heads > 0 && dim > 0 && page > 0) return success();
  return emitError() << "C1: expected positive layers, heads, dim and page, found " << layers << ", " << heads << ", "
                     << dim << ", " << page;
}

}  // namespace llmc::llm
