// Attributes of the llm dialect: dimensions, quantization, rotary embedding, weight sources, and number attributes.
#ifndef LLMC_DIALECTS_LLM_LLMATTRS_TD
#define LLMC_DIALECTS_LLM_LLMATTRS_TD

include "dialects/LLM/LLMDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"

class LLM_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::llmc::llm";
  let genSpecializedAttr = 0;
}

def LLM_QuantKind : LLM_Enum<"QuantKind", "element storage of a weight", [
  I32EnumAttrCase<"F32", 0, "f32">, I32EnumAttrCase<"F16", 1, "f16">, I32EnumAttrCase<"BF16", 2, "bf16">,
  I32EnumAttrCase<"I8", 3, "i8">, I32EnumAttrCase<"I4", 4, "i4">,
  I32EnumAttrCase<"I5", 5, "i5">, I32EnumAttrCase<"I6", 6, "i6">, I32EnumAttrCase<"E4M3", 7, "e4m3">]>;
def LLM_RopeStyle : LLM_Enum<"RopeStyle", "which elements of a head rotate together", [
  I32EnumAttrCase<"Neox", 0, "neox">, I32EnumAttrCase<"Gptj", 1, "gptj">]>;
def LLM_RopeScaling : LLM_Enum<"RopeScaling", "how rotary frequencies are stretched", [
  I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Linear", 1, "linear">, I32EnumAttrCase<"Llama3", 2, "llama3">]>;
def LLM_ActFn : LLM_Enum<"ActFn", "activation function", [
  I32EnumAttrCase<"Silu", 0, "silu">, I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">, I32EnumAttrCase<"Relu", 2, "relu">]>;
def LLM_Arrange : LLM_Enum<"Arrange", "how the rows of several sources form one weight", [
  I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Concat", 1, "concat">,
  I32EnumAttrCase<"Interleave16", 2, "interleave16">]>;

def LLM_ActFnAttr : EnumAttr<LLM_Dialect, LLM_ActFn, "act_fn"> { let assemblyFormat = "`<` $value `>`"; }
def LLM_ArrangeAttr : EnumAttr<LLM_Dialect, LLM_Arrange, "arrange"> { let assemblyFormat = "`<` $value `>`"; }

// A double stored exactly; APFloat because attribute storage must be hashable.
def LLM_Double : AttrParameter<"::llvm::APFloat", "IEEE double"> {
  let comparator = "$_lhs.bitwiseIsEqual($_rhs)";
}

class LLM_Attr<string name, string mnemonicText, list<Trait> traits = []> : AttrDef<LLM_Dialect, name, traits> {
  let mnemonic = mnemonicText;
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def LLM_DimsAttr : LLM_Attr<"Dims", "dims", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "meaning of each tensor dimension: T, S or a number";
  let description = [{
    `#llm.dims<[T, 576]>` as the encoding of `tensor<?x576xf32, ...>`.
    C1: as many entries as the tensor has dimensions. C2: T and S stand at dynamic dimensions, a number at a dimension of that size.
  }];
  let parameters = (ins ArrayRefParameter<"::llmc::llm::Dim", "one entry a dimension">:$dims);
}

def LLM_QuantAttr : LLM_Attr<"Quant", "q"> {
  let summary = "storage of a weight";
  let description = [{
    `#llm.q<f32|f16|bf16>`, `#llm.q<e4m3>` (8-bit floats with an f32 scale a row), `#llm.q<i8, 32, sym>`, `#llm.q<i4|i5, 32, sym|asym>`, `#llm.q<i4|i5, 32, asym, k256>`,
    `#llm.q<i6, 16, sym, k256>`: kind, elements that share a scale along K, symmetric or with a minimum; k256: scales and minimums are bytes
    times an f16 that 256 elements share (GGUF's K types).
    C1: float kinds have no group. C2: integer kinds have a group that is a multiple of 32; i6 has groups of 16. C3: i8 and i6 are symmetric.
    C4: i6 has k256; i8 and symmetric i4 and i5 do not.
  }];
  let parameters = (ins "::llmc::llm::QuantKind":$kind, "int64_t":$group, "bool":$symmetric, "bool":$byteScales);
  let builders = [
    AttrBuilder<(ins "::llmc::llm::QuantKind":$kind), [{ return $_get($_ctxt, kind, int64_t(0), true, false); }]>,
    AttrBuilder<(ins "::llmc::llm::QuantKind":$kind, "int64_t":$group, "bool":$symmetric),
                [{ return $_get($_ctxt, kind, group, symmetric, false); }]>
  ];
  let extraClassDeclaration = [{
    /// True for i8, i6, i5 and i4, whose products run on integers.
    bool isInteger() const;
    /// The `zero` that an activation must be quantized with to meet this weight: 8 for i4 sym, 16 for i5 sym, 32 for i6, 128 for i8, 0 for
    /// asym.
    int64_t activationZero() const;
    /// i4 with minimums in groups of 128: the only wider groups that there is code for.
    bool hasWideGroups() const;
    /// "i4 g32 asym k256"; float kinds: "bf16".
    std::string describe() const;
  }];
}

def LLM_RopeAttr : LLM_Attr<"Rope", "rope"> {
  let summary = "rotary position embedding";
  let description = [{
    `#llm.rope<theta = 1.0e5, dim = 64, style = neox, scaling = llama3<8.0, 1.0, 4.0, 8192>>`. f_i = theta^(-2i/dim), i < dim/2; scaled:
    linear<factor>: f/factor; llama3<factor, low, high, original>: wavelengths above original/low divided by factor, below original/high
    kept, between them interpolated. neox rotates (i, i + dim/2), gptj (2i, 2i+1).
    C1: theta > 0. C2: dim is even and positive. C3: factor > 0; llama3: low < high, original > 0.
  }];
  let parameters = (ins LLM_Double:$theta, "int64_t":$dim, "::llmc::llm::RopeStyle":$style, "::llmc::llm::RopeScaling":$scaling,
                        LLM_Double:$factor, LLM_Double:$low, LLM_Double:$high, "int64_t":$original);
  let builders = [
    AttrBuilder<(ins "double":$theta, "int64_t":$dim, "::llmc::llm::RopeStyle":$style,
                     CArg<"::llmc::llm::RopeScaling", "::llmc::llm::RopeScaling::None">:$scaling, CArg<"double", "1.0">:$factor,
                     CArg<"double", "1.0">:$low, CArg<"double", "4.0">:$high, CArg<"int64_t", "8192">:$original), [{
      return $_get($_ctxt, ::llvm::APFloat(theta), dim, style, scaling, ::llvm::APFloat(factor), ::llvm::APFloat(low),
                   ::llvm::APFloat(high), original);
    }]>
  ];
  let genAccessors = 0;
  let extraClassDeclaration = [{
    double getTheta() const;
    /// Elements of a head that rotate.
    int64_t getDim() const;
    ::llmc::llm::RopeStyle getStyle() const;
    ::llmc::llm::RopeScaling getScaling() const;
    double getFactor() const;
    double getLow() const;
    double getHigh() const;
    /// Context length that the model was first trained on (llama3 scaling).
    int64_t getOriginal() const;
    /// Angular frequency of pair i (radians a position), scaling applied; i < dim/2.
    double frequency(int64_t i) const;
  }];
}

def LLM_SourceAttr : LLM_Attr<"Source", "source"> {
  let summary = "one tensor of the model file that gives rows to a weight";
  let description = [{
    `#llm.source<"model.layers.0.self_attn.q_proj.weight", rows = 576>`, with `unpermute = 9` when the file stores the rotary pairs of
    9 heads interleaved (GGUF llama) and rows must be put back in neox order.
    C1: rows > 0. C2: unpermute = 0, or rows is a multiple of 2*unpermute.
  }];
  let parameters = (ins StringRefParameter<"tensor name in the file">:$name, "int64_t":$rows, "int64_t":$unpermute);
}

def LLM_F64Attr : Attr<CPred<"::llvm::isa<::mlir::FloatAttr>($_self) && ::llvm::cast<::mlir::FloatAttr>($_self).getType().isF64()">,
                       "64-bit float attribute"> {
  let storageType = "::mlir::FloatAttr";
  let returnType = "double";
  let convertFromStorage = "$_self.getValueAsDouble()";
  let constBuilderCall = "$_builder.getF64FloatAttr($0)";
}

def LLM_I64Attr : Attr<CPred<"::llvm::isa<::mlir::IntegerAttr>($_self) && ::llvm::cast<::mlir::IntegerAttr>($_self).getType().isSignlessInteger(64)">,
                       "64-bit signless integer attribute"> {
  let storageType = "::mlir::IntegerAttr";
  let returnType = "int64_t";
  let convertFromStorage = "$_self.getInt()";
  let constBuilderCall = "$_builder.getI64IntegerAttr($0)";
}

#endif // LLMC_DIALECTS_LLM_LLMATTRS_TD
