// Types of the llm dialect and the constraints that ops put on their operands.
#ifndef LLMC_DIALECTS_LLM_LLMTYPES_TD
#define LLMC_DIALECTS_LLM_LLMTYPES_TD

include "dialects/LLM/LLMAttrs.td"

class LLM_Type<string name, string mnemonicText> : TypeDef<LLM_Dialect, name> { let mnemonic = mnemonicText; }

def LLM_WeightType : LLM_Type<"Weight", "weight"> {
  let summary = "reference to a weight [N, K] or [N]";
  let description = [{
    `!llm.weight<[576, 1536], #llm.q<bf16>>`: N output rows, K inputs; bytes never enter the IR.
    C1: one or two dimensions, each positive. C2: one-dimensional weights are f32, f16 or bf16.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::llmc::llm::QuantAttr":$quant);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// N: output rows.
    int64_t rows() const { return getShape()[0]; }
    /// K: inputs a row; 1 for a one-dimensional weight.
    int64_t cols() const { return getShape().size() == 2 ? getShape()[1] : 1; }
    bool isMatrix() const { return getShape().size() == 2; }
  }];
}

def LLM_QActType : LLM_Type<"QAct", "qact"> {
  let summary = "int8 activation [rows, K] with a scale for every 16 columns and a bias for every 32 (zero = 32: for every 16), or e4m3 with one a row";
  let description = [{
    `!llm.qact<[T, 576], zero = 8>`. zero names the weight it meets: 8 (i4 sym), 16 (i5 sym), 32 (i6), 128 (i8), 0 (asym).
    `!llm.qact<[T, 576], e4m3>`: 8-bit floats and one f32 scale a row, for e4m3 weights on a CUDA device.
    C1: K is positive. C2: zero is 0, 8, 16, 32, 128 or e4m3.
  }];
  let parameters = (ins "::llmc::llm::Dim":$rows, "int64_t":$cols, "int64_t":$zero);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Columns that share a bias: as many as share a scale of the weights.
    int64_t biasGroup() const { return getZero() == 32 ? 16 : 32; }
    /// What getZero() is where the codes are 8-bit floats.
    static constexpr int64_t kE4M3 = -1;
    bool isE4M3() const { return getZero() == kE4M3; }
  }];
}

def LLM_KvType : LLM_Type<"Kv", "kv"> {
  let summary = "handle of the paged key/value cache";
  let description = [{
    `!llm.kv<layers = 30, heads = 3, dim = 64, page = 16>`: layers, key/value heads, head size, tokens a page. `kind = f32` (CPU),
    `i8`, `bf16` or `e4m3` (CUDA) stores keys and values so and not as f16; i8 and e4m3 with an f32 scale for each token and head.
    C1: numbers are positive. C2: kind is f32, f16, bf16, i8 or e4m3.
  }];
  let parameters = (ins "int64_t":$layers, "int64_t":$heads, "int64_t":$dim, "int64_t":$page,
                        DefaultValuedParameter<"::llmc::llm::QuantKind", "::llmc::llm::QuantKind::F16">:$kind);
  let builders = [TypeBuilder<(ins "int64_t":$layers, "int64_t":$heads, "int64_t":$dim, "int64_t":$page), [{
    return $_get($_ctxt, layers, heads, dim, page, ::llmc::llm::QuantKind::F16);
  }]>];
  let extraClassDeclaration = [{
    /// Whether a token's keys, and its values, of one head share a scale.
    bool hasScales() const { return getKind() == ::llmc::llm::QuantKind::I8 || getKind() == ::llmc::llm::QuantKind::E4M3; }
    int64_t elementBytes() const { return hasScales() ? 1 : getKind() == ::llmc::llm::QuantKind::F32 ? 4 : 2; }
    /// Bytes of K and V of one page in one layer: K of all heads, V of all heads, then the scales of both.
    int64_t layerBytes() const { return 2 * getHeads() * getPage() * (getDim() * elementBytes() + (hasScales() ? 4 : 0)); }
  }];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def LLM_BatchType : LLM_Type<"Batch", "batch"> {
  let summary = "the ragged batch of this step: tokens, positions, sequences, block tables, rows to sample";
}

def LLM_Activation : Type<CPred<"::llmc::llm::isActivation($_self)">, "f32 activation [rows, columns] with #llm.dims", "::mlir::RankedTensorType">;
def LLM_FloatActivation : Type<CPred<"::llmc::llm::isFloatActivation($_self)">, "f32, f16 or bf16 activation [rows, columns] with #llm.dims",
                               "::mlir::RankedTensorType">;
def LLM_Bf16Activation : Type<CPred<"::llmc::llm::isBf16Activation($_self)">, "bf16 activation [rows, columns] with #llm.dims", "::mlir::RankedTensorType">;
def LLM_ProductInput : AnyTypeOf<[LLM_Activation, LLM_Bf16Activation, LLM_QActType], "f32, bf16 or quantized activation">;

#endif // LLMC_DIALECTS_LLM_LLMTYPES_TD
