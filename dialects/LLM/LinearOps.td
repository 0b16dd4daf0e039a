// Matrix products and the quantization of their inputs: linear, quantize.
#ifndef LLMC_DIALECTS_LLM_LINEAROPS_TD
#define LLMC_DIALECTS_LLM_LINEAROPS_TD

include "dialects/LLM/LLMTypes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def LLM_LinearOp : LLM_TypedOp<"linear", [Pure]> {
  let summary = "y[t, n] = sum_k x[t, k] * w[n, k] + bias[n]";
  let description = [{
    x is f32 (weight-only quantization), bf16 (products of bf16 summed in f32, as tensor cores do) or !llm.qact (integer products).
    C1: w is a matrix [N, K]. C2: x has K columns. C3: the result is [rows of x, N]. C4: a quantized x meets an integer weight of group 32 or 16,
    or i4 asym of group 128, with the zero that this weight asks for; x of e4m3 an e4m3 weight. C5: bias is one-dimensional with N elements.
    bf16_products is a permission: x of f32 may be rounded to bf16 where w is bf16, sums stay f32. CPUs with vdpbf16ps use it for many rows.
  }];
  let arguments = (ins LLM_ProductInput:$x, LLM_WeightType:$w, Optional<LLM_WeightType>:$bias, UnitAttr:$bf16_products);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$w, CArg<"::mlir::Value", "{}">:$bias)>];
  let hasVerifier = 1;
}

def LLM_QuantizeOp : LLM_TypedOp<"quantize", [Pure]> {
  let summary = "int8 a group of 16 columns: scale = max|x| / 127, q = round_to_nearest_even(x / scale); or e4m3 a row";
  let description = [{
    A group of zeros has scale 0 and q = 0. Where the result is e4m3, a row has one scale = max|x| / 448, q = nearest_e4m3(x * (448 / max|x|))
    in f32, ties to even. C1: the result has the rows and columns of x.
  }];
  let arguments = (ins LLM_Activation:$x);
  let results = (outs LLM_QActType:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "int64_t":$zero)>];
  let hasVerifier = 1;
}

def LLM_RoundRowsOp : LLM_TypedOp<"round_rows", [Pure]> {
  let summary = "what a product of e4m3 rows sees of x, as f32: q * scale of llm.quantize to e4m3";
  let description = [{
    With it a target without such products computes what one with them would, to measure it. C1: the result has the type of x.
  }];
  let arguments = (ins LLM_Activation:$x);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$x)>];
  let hasVerifier = 1;
}

#endif // LLMC_DIALECTS_LLM_LINEAROPS_TD
