// Weights as symbols: llm.weight declares one, llm.use reads it.
#ifndef LLMC_DIALECTS_LLM_WEIGHTOPS_TD
#define LLMC_DIALECTS_LLM_WEIGHTOPS_TD

include "dialects/LLM/LLMTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def LLM_WeightOp : LLM_Op<"weight", [Symbol]> {
  let summary = "declares a weight and where its rows come from";
  let description = [{
    ```mlir
    llm.weight @wqkv : !llm.weight<[960, 576], #llm.q<bf16>> {arrange = #llm.arrange<concat>,
      sources = [#llm.source<"q_proj.weight", rows = 576>, #llm.source<"k_proj.weight", rows = 192>, #llm.source<"v_proj.weight", rows = 192>]}
    ```
    `generated` replaces sources for the rotary table, which the packer computes. `layout` is the packed layout, set by kern-assign-layout;
    `stored` names the type that the model file has ("Q4_K").
    C1: exactly one of sources and generated. C2: source rows sum to N. C3: arrange none has one source, concat and interleave16 two or more.
    C4: interleave16 sources have equal rows, a multiple of 16. C5: a generated weight is f32 with K = rope dim.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<LLM_WeightType>:$type,
    DefaultValuedAttr<TypedArrayAttrBase<LLM_SourceAttr, "array of #llm.source">, "{}">:$sources,
    DefaultValuedAttr<LLM_ArrangeAttr, "::llmc::llm::Arrange::None">:$arrange,
    OptionalAttr<LLM_RopeAttr>:$generated, OptionalAttr<StrAttr>:$layout, OptionalAttr<StrAttr>:$stored);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The type without the TypeAttr around it.
    ::llmc::llm::WeightType weightType() { return ::llvm::cast<::llmc::llm::WeightType>(getType()); }
  }];
}

def LLM_UseOp : LLM_Op<"use", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the weight of that name";
  let description = [{
    `%w = llm.use @wq : !llm.weight<[576, 576], #llm.q<bf16>>`. C1: the symbol is an llm.weight. C2: of this type.
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs LLM_WeightType:$result);
  let assemblyFormat = "$weight attr-dict `:` qualified(type($result))";
  let builders = [OpBuilder<(ins "::llmc::llm::WeightOp":$weight)>];
}

#endif // LLMC_DIALECTS_LLM_WEIGHTOPS_TD
