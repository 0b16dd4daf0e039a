// The llm dialect: attributes, types and operations; include this one.
#pragma once

#include "dialects/LLM/Dim.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace llmc::llm {

/// What kv_write writes and attend reads: the pages of the cache, apart from any other memory.
struct KvResource : ::mlir::SideEffects::Resource::Base<KvResource> {
  ::llvm::StringRef getName() final { return "llm.kv"; }
};

/// LLM_Elementwise of LLMDialect.td.
template <typename ConcreteType>
class Elementwise : public ::mlir::OpTrait::TraitBase<ConcreteType, Elementwise> {};

/// True for `tensor<rows x cols x f32, #llm.dims<[.., ..]>>`.
bool isActivation(::mlir::Type type);
/// The same with f32, f16 or bf16 elements.
bool isFloatActivation(::mlir::Type type);
/// The same for bf16 alone: what products on tensor cores read.
bool isBf16Activation(::mlir::Type type);

}  // namespace llmc::llm

#include "dialects/LLM/LLMDialect.h.inc"
#include "dialects/LLM/LLMEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/LLM/LLMAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/LLM/LLMTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/LLM/LLMOps.h.inc"
