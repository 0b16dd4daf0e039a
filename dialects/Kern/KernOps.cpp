// Text form, builders and rules of the kern operations.
#include "dialects/Kern/KernDialect.h"

#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#define GET_OP_CLASSES
#include "dialects/Kern/KernOps.cpp.inc"

namespace llmc::kern {
using namespace mlir;

::llvm::ArrayRef<::llvm::StringRef> heroNames() {
  static constexpr ::llvm::StringRef kHeroes[] = {"linear",   "norm",      "attend", "embed",
                                                  "kv_write", "pointwise", "argmax", "sample"};
  return kHeroes;
}

bool isHeroName(::llvm::StringRef name) { return ::llvm::is_contained(heroNames(), name); }

// --- rules that dispatch and func share ---

static LogicalResult verifyHero(Operation* op, ::llvm::StringRef hero) {
  if (isHeroName(hero)) return success();
  return op->emitOpError("C1: expected hero to be ")
         << ::llvm::join(heroNames().drop_back(), ", ") << " or " << heroNames().back() << ", found '" << hero << "'";
}

/// Fails on an op outside the llm dialect; the interpreter and the code generators know no other.
static LogicalResult verifyLlmOnly(Operation* op, Block& block, const char* constraint) {
  for (Operation& inner : block.without_terminator())
    if (inner.getName().getDialectNamespace() != "llm")
      return op->emitOpError() << constraint << ": expected llm ops only, found '" << inner.getName() << "'";
  return success();
}

static LogicalResult verifyYield(Operation* op, Block& block, TypeRange results, const char* constraint) {
  auto yield = block.empty() ? YieldOp() : ::llvm::dyn_cast<YieldOp>(block.back());
  if (!yield) return op->emitOpError() << constraint << ": expected the body to end with kern.yield";
  if (TypeRange(yield.getOperandTypes()) == results) return success();
  return op->emitOpError() << constraint << ": expected kern.yield of (" << results << "), found ("
                           << yield.getOperandTypes() << ")";
}

// --- kern.dispatch ---

void DispatchOp::build(OpBuilder& b, OperationState& state, TypeRange outputs, ValueRange inputs,
                       ::llvm::StringRef hero, ::llvm::ArrayRef<::llvm::StringRef> origin,
                       ::llvm::ArrayRef<::llvm::StringRef> fused) {
  state.addOperands(inputs);
  state.addTypes(outputs);
  state.addAttribute(getHeroAttrName(state.name), b.getStringAttr(hero));
  if (!origin.empty()) state.addAttribute(getOriginAttrName(state.name), b.getStrArrayAttr(origin));
  if (!fused.empty()) state.addAttribute(getFusedAttrName(state.name), b.getStrArrayAttr(fused));
  Block& block = state.addRegion()->emplaceBlock();
  for (Value input : inputs) block.addArgument(input.getType(), input.getLoc());
}

YieldOp DispatchOp::getYield() { return ::llvm::cast<YieldOp>(getBlock().getTerminator()); }

ParseResult DispatchOp::parse(OpAsmParser& parser, OperationState& state) {
  StringAttr hero;
  ::llvm::SmallVector<OpAsmParser::Argument> arguments;
  ::llvm::SmallVector<OpAsmParser::UnresolvedOperand> operands;
  if (parser.parseAttribute(hero, "hero", state.attributes)) return failure();
  auto one = [&]() -> ParseResult {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(operands.emplace_back()) || parser.parseColonType(arguments.back().type));
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, one) ||
      parser.parseOptionalArrowTypeList(state.types) || parser.parseOptionalAttrDictWithKeyword(state.attributes))
    return failure();
  for (auto [argument, operand] : ::llvm::zip(arguments, operands))
    if (parser.resolveOperand(operand, argument.type, state.operands)) return failure();
  return parser.parseRegion(*state.addRegion(), arguments);
}

void DispatchOp::print(OpAsmPrinter& printer) {
  printer << " " << getHeroAttr() << " (";
  ::llvm::interleaveComma(::llvm::zip(getBlock().getArguments(), getInputs()), printer, [&](auto pair) {
    printer << std::get<0>(pair) << " = " << std::get<1>(pair) << " : " << std::get<1>(pair).getType();
  });
  printer << ")";
  printer.printOptionalArrowTypeList(getResultTypes());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"hero"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult DispatchOp::verifyRegions() {
  if (failed(verifyHero(*this, getHero()))) return failure();
  TypeRange arguments = getBlock().getArgumentTypes();
  if (arguments != TypeRange(getInputs().getTypes()))
    return emitOpError("C2: expected block arguments (") << getInputs().getTypes() << "), found (" << arguments << ")";
  if (failed(verifyLlmOnly(*this, getBlock(), "C3"))) return failure();
  return verifyYield(*this, getBlock(), getResultTypes(), "C4");
}

// --- kern.func ---

void FuncOp::build(OpBuilder& b, OperationState& state, ::llvm::StringRef name, FunctionType type,
                   ::llvm::StringRef hero) {
  state.addAttribute(SymbolTable::getSymbolAttrName(), b.getStringAttr(name));
  state.addAttribute(getFunctionTypeAttrName(state.name), TypeAttr::get(type));
  state.addAttribute(getHeroAttrName(state.name), b.getStringAttr(hero));
  state.addRegion();
}

SmallVector<Variant> FuncOp::getVariants() {
  SmallVector<Variant> variants;
  auto add = [&](int64_t mMax) {
    variants.push_back({mMax, getSymName().str() + (mMax ? "_m" + std::to_string(mMax) : "_any")});
  };
  if (auto config = getConfigAttr())
    for (auto rows : config.getAsRange<ConfigAttr>()) add(rows.getMMax());
  if (variants.empty()) add(0);
  return variants;
}

YieldOp FuncOp::getYield() { return ::llvm::cast<YieldOp>(getBody().front().getTerminator()); }

ParseResult FuncOp::parse(OpAsmParser& parser, OperationState& state) {
  auto build = [](Builder& b, ::llvm::ArrayRef<Type> inputs, ::llvm::ArrayRef<Type> results,
                  function_interface_impl::VariadicFlag, std::string&) { return b.getFunctionType(inputs, results); };
  return function_interface_impl::parseFunctionOp(parser, state, /*allowVariadic=*/false,
                                                  getFunctionTypeAttrName(state.name), build,
                                                  getArgAttrsAttrName(state.name), getResAttrsAttrName(state.name));
}

void FuncOp::print(OpAsmPrinter& printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
                                           getArgAttrsAttrName(), getResAttrsAttrName());
}

/// C4: the body is shared by all layers, so it may not name one.
static LogicalResult verifyLayerZero(FuncOp op) {
  for (Operation& inner : op.getBody().front()) {
    auto layer = inner.getAttrOfType<IntegerAttr>("layer");
    if (layer && layer.getInt() != 0)
      return op.emitOpError("C4: expected layer = 0 in '") << inner.getName() << "', found " << layer.getInt();
  }
  return success();
}

/// C5: m_max rises; 0 stands for any number and comes last.
static LogicalResult verifyConfigs(FuncOp op) {
  if (!op.getConfig()) return success();
  int64_t last = -1;
  for (auto config : op.getConfig()->getAsRange<ConfigAttr>()) {
    int64_t mMax = config.getMMax() == 0 ? INT64_MAX : config.getMMax();
    if (mMax <= last)
      return op.emitOpError("C5: expected config to rise in m_max, found ") << config.getMMax() << " too late";
    last = mMax;
  }
  return success();
}

LogicalResult FuncOp::verifyRegions() {
  if (failed(verifyHero(*this, getHero()))) return failure();
  if (getBody().empty()) return emitOpError("C6: expected a body");
  Block& block = getBody().front();
  if (failed(verifyLlmOnly(*this, block, "C2")) || failed(verifyYield(*this, block, getResultTypes(), "C3")))
    return failure();
  if (failed(verifyLayerZero(*this))) return failure();
  return verifyConfigs(*this);
}

// --- kern.call ---

void CallOp::build(OpBuilder& b, OperationState& state, FuncOp callee, ValueRange inputs,
                   std::optional<int64_t> kvLayer) {
  state.addOperands(inputs);
  state.addTypes(callee.getResultTypes());
  state.addAttribute(getCalleeAttrName(state.name), FlatSymbolRefAttr::get(callee.getSymNameAttr()));
  if (kvLayer) state.addAttribute(getKvLayerAttrName(state.name), b.getI64IntegerAttr(*kvLayer));
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection& symbols) {
  auto func = symbols.lookupNearestSymbolFrom<FuncOp>(*this, getCalleeAttr());
  if (!func) return emitOpError("C1: expected a kern.func named '") << getCallee() << "', found none";
  auto found = FunctionType::get(getContext(), getOperandTypes(), getResultTypes());
  if (func.getFunctionType() != found)
    return emitOpError("C2: expected the type ") << func.getFunctionType() << ", found " << found;
  bool hasCache = ::llvm::any_of(getOperandTypes(), [](Type t) {
    return t.getDialect().getNamespace() == "llm" && ::llvm::StringRef(t.getAbstractType().getName()) == "llm.kv";
  });
  if (hasCache == getKvLayer().has_value()) return success();
  return emitOpError("C3: expected kv_layer exactly when an operand is a cache, found ")
         << (hasCache ? "none" : "one without a cache");
}

}  // namespace llmc::kern
