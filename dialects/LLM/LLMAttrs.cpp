// Text form and rules of the llm attributes.
#include "dialects/LLM/LLMTypes.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <numbers>

#define GET_ATTRDEF_CLASSES
#include "dialects/LLM/LLMAttrs.cpp.inc"

namespace llmc::llm {
using namespace mlir;

using EmitError = ::llvm::function_ref<InFlightDiagnostic()>;

void LLMDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/LLM/LLMAttrs.cpp.inc"
      >();
}

/// Reads one of an enumeration's words.
template <typename Enum>
static ParseResult parseWord(AsmParser& parser, Enum& value, std::optional<Enum> (*symbolize)(::llvm::StringRef)) {
  ::llvm::StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word)) return failure();
  std::optional<Enum> found = symbolize(word);
  if (!found) return parser.emitError(loc, "unknown word '") << word << "'";
  value = *found;
  return success();
}

/// Reads `8`, `-8.0` or `8.0 : f64`.
static ParseResult parseNumber(AsmParser& parser, double& value) {
  double sign = succeeded(parser.parseOptionalMinus()) ? -1.0 : 1.0;
  int64_t integer = 0;
  OptionalParseResult asInteger = parser.parseOptionalInteger(integer);
  if (asInteger.has_value()) {
    value = sign * static_cast<double>(integer);
    return *asInteger;
  }
  if (parser.parseFloat(value)) return failure();
  value *= sign;
  Type type;
  return succeeded(parser.parseOptionalColon()) ? parser.parseType(type) : success();
}

static ParseResult parseField(AsmParser& parser, ::llvm::StringRef name) {
  return failure(parser.parseKeyword(name) || parser.parseEqual());
}

// --- #llm.dims ---

Attribute DimsAttr::parse(AsmParser& parser, Type) {
  ::llvm::SmallVector<Dim> dims;
  auto one = [&]() { return parseDim(parser, dims.emplace_back()); };
  if (parser.parseLess() || parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, one) || parser.parseGreater())
    return {};
  return parser.getChecked<DimsAttr>(parser.getContext(), dims);
}

void DimsAttr::print(AsmPrinter& printer) const {
  printer << "<[";
  ::llvm::interleaveComma(getDims(), printer, [&](Dim d) { printer << toString(d); });
  printer << "]>";
}

LogicalResult DimsAttr::verify(EmitError emitError, ::llvm::ArrayRef<Dim> dims) {
  for (Dim d : dims)
    if (d.isFixed() && d.value == 0) return emitError() << "dimensions must be T, S or a positive number, found 0";
  return success();
}

LogicalResult DimsAttr::verifyEncoding(::llvm::ArrayRef<int64_t> shape, Type, EmitError emitError) const {
  if (shape.size() != getDims().size())
    return emitError() << "C1: expected " << shape.size() << " entries in #llm.dims, found " << getDims().size();
  for (auto [i, d] : ::llvm::enumerate(getDims())) {
    if (d.isFixed() ? shape[i] == d.value : ShapedType::isDynamic(shape[i])) continue;
    InFlightDiagnostic diag = emitError()
                              << "C2: #llm.dims says " << toString(d) << " for dimension " << i << ", the tensor has ";
    if (ShapedType::isDynamic(shape[i])) return diag << "?";
    return diag << shape[i];
  }
  return success();
}

// --- #llm.q ---

static bool isIntegerKind(QuantKind kind) {
  return kind == QuantKind::I8 || kind == QuantKind::I6 || kind == QuantKind::I5 || kind == QuantKind::I4;
}

Attribute QuantAttr::parse(AsmParser& parser, Type) {
  QuantKind kind{};
  if (parser.parseLess() || parseWord<QuantKind>(parser, kind, symbolizeQuantKind)) return {};
  int64_t group = 0;
  bool symmetric = true;
  bool byteScales = false;
  if (isIntegerKind(kind)) {
    ::llvm::StringRef word;
    if (parser.parseComma() || parser.parseInteger(group) || parser.parseComma() || parser.parseKeyword(&word))
      return {};
    if (word != "sym" && word != "asym")
      return parser.emitError(parser.getCurrentLocation(), "expected sym or asym"), Attribute();
    symmetric = word == "sym";
    byteScales = succeeded(parser.parseOptionalComma());
    if (byteScales && parser.parseKeyword("k256")) return {};
  }
  if (parser.parseGreater()) return {};
  return parser.getChecked<QuantAttr>(parser.getContext(), kind, group, symmetric, byteScales);
}

void QuantAttr::print(AsmPrinter& printer) const {
  printer << "<" << stringifyQuantKind(getKind());
  if (isInteger()) printer << ", " << getGroup() << ", " << (getSymmetric() ? "sym" : "asym");
  if (getByteScales()) printer << ", k256";
  printer << ">";
}

LogicalResult QuantAttr::verify(EmitError emitError, QuantKind kind, int64_t group, bool symmetric, bool byteScales) {
  bool integer = isIntegerKind(kind), six = kind == QuantKind::I6;
  if (!integer && (group != 0 || !symmetric || byteScales))
    return emitError() << "C1: " << stringifyQuantKind(kind) << " has no group, found " << group;
  if (six && group != 16) return emitError() << "C2: expected i6 to have groups of 16, found " << group;
  if (integer && !six && (group <= 0 || group % 32 != 0))
    return emitError() << "C2: expected a group that is a multiple of 32, found " << group;
  if ((six || kind == QuantKind::I8) && !symmetric)
    return emitError() << "C3: expected " << stringifyQuantKind(kind) << " to be sym, found asym";
  if (six && !byteScales) return emitError() << "C4: expected i6 to have k256";
  if (!six && symmetric && byteScales)
    return emitError() << "C4: expected no k256 for sym " << stringifyQuantKind(kind);
  return success();
}

bool QuantAttr::isInteger() const { return isIntegerKind(getKind()); }

int64_t QuantAttr::activationZero() const {
  if (!getSymmetric()) return 0;
  switch (getKind()) {
    case QuantKind::I8:
      return 128;
    case QuantKind::I6:
      return 32;
    case QuantKind::I5:
      return 16;
    case QuantKind::I4:
      return 8;
    default:
      return 0;
  }
}

bool QuantAttr::hasWideGroups() const {
  return getKind() == QuantKind::I4 && !getSymmetric() && !getByteScales() && getGroup() == 128;
}

std::string QuantAttr::describe() const {
  std::string text = stringifyQuantKind(getKind()).str();
  if (!isInteger()) return text;
  text += " g" + std::to_string(getGroup()) + (getSymmetric() ? " sym" : " asym");
  return getByteScales() ? text + " k256" : text;
}

// --- #llm.rope ---

Attribute RopeAttr::parse(AsmParser& parser, Type) {
  double theta = 0, factor = 1, low = 1, high = 4;
  int64_t dim = 0, original = 8192;
  RopeStyle style{};
  RopeScaling scaling{};
  if (parser.parseLess() || parseField(parser, "theta") || parseNumber(parser, theta) || parser.parseComma() ||
      parseField(parser, "dim") || parser.parseInteger(dim) || parser.parseComma() || parseField(parser, "style") ||
      parseWord<RopeStyle>(parser, style, symbolizeRopeStyle) || parser.parseComma() || parseField(parser, "scaling") ||
      parseWord<RopeScaling>(parser, scaling, symbolizeRopeScaling))
    return {};
  if (scaling != RopeScaling::None && (parser.parseLess() || parseNumber(parser, factor))) return {};
  if (scaling == RopeScaling::Llama3 &&
      (parser.parseComma() || parseNumber(parser, low) || parser.parseComma() || parseNumber(parser, high) ||
       parser.parseComma() || parser.parseInteger(original)))
    return {};
  if (scaling != RopeScaling::None && parser.parseGreater()) return {};
  if (parser.parseGreater()) return {};
  using ::llvm::APFloat;
  return parser.getChecked<RopeAttr>(parser.getContext(), APFloat(theta), dim, style, scaling, APFloat(factor),
                                     APFloat(low), APFloat(high), original);
}

void RopeAttr::print(AsmPrinter& printer) const {
  auto number = [&](double v) { printer.printFloat(::llvm::APFloat(v)); };
  printer << "<theta = ";
  number(getTheta());
  printer << ", dim = " << getDim() << ", style = " << stringifyRopeStyle(getStyle())
          << ", scaling = " << stringifyRopeScaling(getScaling());
  if (getScaling() != RopeScaling::None) {
    printer << "<";
    number(getFactor());
    if (getScaling() == RopeScaling::Llama3) {
      printer << ", ";
      number(getLow());
      printer << ", ";
      number(getHigh());
      printer << ", " << getOriginal();
    }
    printer << ">";
  }
  printer << ">";
}

LogicalResult RopeAttr::verify(EmitError emitError, ::llvm::APFloat theta, int64_t dim, RopeStyle, RopeScaling scaling,
                               ::llvm::APFloat factor, ::llvm::APFloat low, ::llvm::APFloat high, int64_t original) {
  auto positive = [](const ::llvm::APFloat& v) { return v.isFinite() && !v.isZero() && !v.isNegative(); };
  if (!positive(theta)) return emitError() << "C1: expected a positive theta, found " << theta.convertToDouble();
  if (dim <= 0 || dim % 2 != 0) return emitError() << "C2: expected an even, positive dim, found " << dim;
  if (scaling != RopeScaling::None && !positive(factor))
    return emitError() << "C3: expected a positive factor, found " << factor.convertToDouble();
  if (scaling == RopeScaling::Llama3 && (!positive(low) || !positive(high) || !(low < high) || original <= 0))
    return emitError() << "C3: expected 0 < low < high and a positive original, found " << low.convertToDouble() << ", "
                       << high.convertToDouble() << ", " << original;
  return success();
}

double RopeAttr::getTheta() const { return getImpl()->theta.convertToDouble(); }
int64_t RopeAttr::getDim() const { return getImpl()->dim; }
RopeStyle RopeAttr::getStyle() const { return getImpl()->style; }
RopeScaling RopeAttr::getScaling() const { return getImpl()->scaling; }
double RopeAttr::getFactor() const { return getImpl()->factor.convertToDouble(); }
double RopeAttr::getLow() const { return getImpl()->low.convertToDouble(); }
double RopeAttr::getHigh() const { return getImpl()->high.convertToDouble(); }
int64_t RopeAttr::getOriginal() const { return getImpl()->original; }

double RopeAttr::frequency(int64_t i) const {
  double f = std::pow(getTheta(), -2.0 * static_cast<double>(i) / static_cast<double>(getDim()));
  if (getScaling() == RopeScaling::None) return f;
  if (getScaling() == RopeScaling::Linear) return f / getFactor();
  // Llama 3.1: keep short wavelengths, stretch long ones, blend between (rope_scaling of its config.json).
  double wavelength = 2.0 * std::numbers::pi / f;
  double turns = static_cast<double>(getOriginal()) / wavelength;
  if (turns > getHigh()) return f;
  if (turns < getLow()) return f / getFactor();
  double keep = (turns - getLow()) / (getHigh() - getLow());
  return (1.0 - keep) * f / getFactor() + keep * f;
}

// --- #llm.source ---

Attribute SourceAttr::parse(AsmParser& parser, Type) {
  std::string name;
  int64_t rows = 0, unpermute = 0;
  if (parser.parseLess() || parser.parseString(&name) || parser.parseComma() || parseField(parser, "rows") ||
      parser.parseInteger(rows))
    return {};
  if (succeeded(parser.parseOptionalComma()) && (parseField(parser, "unpermute") || parser.parseInteger(unpermute)))
    return {};
  if (parser.parseGreater()) return {};
  return parser.getChecked<SourceAttr>(parser.getContext(), name, rows, unpermute);
}

void SourceAttr::print(AsmPrinter& printer) const {
  printer << "<";
  printer.printString(getName());
  printer << ", rows = " << getRows();
  if (getUnpermute() != 0) printer << ", unpermute = " << getUnpermute();
  printer << ">";
}

LogicalResult SourceAttr::verify(EmitError emitError, ::llvm::StringRef, int64_t rows, int64_t unpermute) {
  if (rows <= 0) return emitError() << "C1: expected positive rows, found " << rows;
  if (unpermute < 0 || (unpermute > 0 && rows % (2 * unpermute) != 0))
    return emitError() << "C2: expected rows that are a multiple of 2 * unpermute, found rows = " << rows
                       << ", unpermute = " << unpermute;
  return success();
}

}  // namespace llmc::llm
