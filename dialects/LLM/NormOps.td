// Normalizations: rmsnorm, layernorm.
#ifndef LLMC_DIALECTS_LLM_NORMOPS_TD
#define LLMC_DIALECTS_LLM_NORMOPS_TD

include "dialects/LLM/LLMTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def LLM_RMSNormOp : LLM_TypedOp<"rmsnorm", [Pure, TypesMatchWith<"C1: the result has the type of x", "x", "result", "$_self">]> {
  let summary = "y = x / sqrt(mean(x^2) + eps) * w";
  let description = [{
    The mean runs over the row, or over each `segment` columns when segment > 0 (one head); unit_offset multiplies by 1 + w.
    C1: the result has the type of x. C2: w is one-dimensional with as many elements as are normalised together.
    C3: columns are a multiple of segment. C4: eps >= 0.
  }];
  let arguments = (ins LLM_Activation:$x, LLM_WeightType:$w, LLM_F64Attr:$eps, DefaultValuedAttr<BoolAttr, "false">:$unit_offset,
                       DefaultValuedAttr<LLM_I64Attr, "0">:$segment);
  let results = (outs LLM_Activation:$result);
  let hasVerifier = 1;
}

def LLM_LayerNormOp : LLM_TypedOp<"layernorm", [Pure, TypesMatchWith<"C1: the result has the type of x", "x", "result", "$_self">]> {
  let summary = "y = (x - mean(x)) / sqrt(var(x) + eps) * w + b";
  let description = [{
    The variance is that of the population. C1: the result has the type of x. C2: w, and b when given, are one-dimensional with one
    element a column. C3: eps >= 0.
  }];
  let arguments = (ins LLM_Activation:$x, LLM_WeightType:$w, Optional<LLM_WeightType>:$b, LLM_F64Attr:$eps);
  let results = (outs LLM_Activation:$result);
  let hasVerifier = 1;
}

#endif // LLMC_DIALECTS_LLM_NORMOPS_TD
