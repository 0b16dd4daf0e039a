// Registers the kern dialect; text form and rules of #kern.config.
#include "dialects/Kern/KernDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include "dialects/Kern/KernDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Kern/KernAttrs.cpp.inc"

namespace llmc::kern {
using namespace mlir;

void KernDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Kern/KernAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Kern/KernOps.cpp.inc"
      >();
}

Attribute ConfigAttr::parse(AsmParser& parser, Type) {
  int64_t mMax = 0;
  DictionaryAttr params = DictionaryAttr::get(parser.getContext());
  if (parser.parseLess() || parser.parseKeyword("m_max") || parser.parseEqual() || parser.parseInteger(mMax)) return {};
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("params") || parser.parseEqual() || parser.parseAttribute(params)))
    return {};
  if (parser.parseGreater()) return {};
  return parser.getChecked<ConfigAttr>(parser.getContext(), mMax, params);
}

void ConfigAttr::print(AsmPrinter& printer) const {
  printer << "<m_max = " << getMMax();
  if (!getParams().empty()) printer << ", params = " << Attribute(getParams());
  printer << ">";
}

LogicalResult ConfigAttr::verify(::llvm::function_ref<InFlightDiagnostic()> emitError, int64_t mMax, DictionaryAttr) {
  if (::llvm::is_contained({0, 1, 4, 8, 16, 32, 64, 512}, mMax)) return success();
  return emitError() << "C1: expected m_max to be 0, 1, 4, 8, 16, 32, 64 or 512, found " << mMax;
}

}  // namespace llmc::kern
