// Registers the plan dialect; text form and rules of #plan.arg.
#include "dialects/Plan/PlanDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "dialects/Plan/PlanDialect.cpp.inc"
#include "dialects/Plan/PlanEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Plan/PlanAttrs.cpp.inc"

namespace llmc::plan {
using namespace mlir;

void PlanDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Plan/PlanAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Plan/PlanOps.cpp.inc"
      >();
}

Attribute ArgAttr::parse(AsmParser& parser, Type) {
  ::llvm::StringRef word;
  if (parser.parseLess()) return {};
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word)) return {};
  std::optional<ArgKind> kind = symbolizeArgKind(word);
  if (!kind) return parser.emitError(loc, "expected slot, weight, kv or batch, found '") << word << "'", Attribute();
  FlatSymbolRefAttr name;
  int64_t offset = 0;
  while (succeeded(parser.parseOptionalComma())) {
    StringAttr symbol;
    if (succeeded(parser.parseOptionalSymbolName(symbol))) {
      name = FlatSymbolRefAttr::get(symbol);
      continue;
    }
    if (parser.parseInteger(offset)) return {};
    break;
  }
  if (parser.parseGreater()) return {};
  return parser.getChecked<ArgAttr>(parser.getContext(), *kind, name, offset);
}

void ArgAttr::print(AsmPrinter& printer) const {
  printer << "<" << stringifyArgKind(getKind());
  if (getName()) printer << ", " << Attribute(getName());
  if (getOffset() != 0) printer << ", " << getOffset();
  printer << ">";
}

LogicalResult ArgAttr::verify(::llvm::function_ref<InFlightDiagnostic()> emitError, ArgKind kind,
                              FlatSymbolRefAttr name, int64_t offset) {
  bool named = kind == ArgKind::Slot || kind == ArgKind::Weight;
  if (named != static_cast<bool>(name))
    return emitError() << "C1: expected " << (named ? "a name" : "no name") << " for " << stringifyArgKind(kind)
                       << ", found " << (named ? "none" : name.getValue());
  if (offset < 0 || (kind == ArgKind::Batch && offset != 0))
    return emitError() << "C2: expected an offset of " << (offset < 0 ? "at least 0" : "0 for batch") << ", found "
                       << offset;
  return success();
}

ArgAttr slotArg(MLIRContext* ctx, ::llvm::StringRef slot, int64_t offset) {
  return ArgAttr::get(ctx, ArgKind::Slot, FlatSymbolRefAttr::get(ctx, slot), offset);
}
ArgAttr weightArg(MLIRContext* ctx, ::llvm::StringRef weight, int64_t offset) {
  return ArgAttr::get(ctx, ArgKind::Weight, FlatSymbolRefAttr::get(ctx, weight), offset);
}
ArgAttr kvArg(MLIRContext* ctx, int64_t offset) { return ArgAttr::get(ctx, ArgKind::Kv, FlatSymbolRefAttr(), offset); }
ArgAttr batchArg(MLIRContext* ctx) { return ArgAttr::get(ctx, ArgKind::Batch, FlatSymbolRefAttr(), 0); }

}  // namespace llmc::plan
