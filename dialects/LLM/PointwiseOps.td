// Elementwise ops: glu, act, add, mul, scale, softcap, cast.
#ifndef LLMC_DIALECTS_LLM_POINTWISEOPS_TD
#define LLMC_DIALECTS_LLM_POINTWISEOPS_TD

include "dialects/LLM/LLMTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class LLM_UnaryOp<string mnemonic> : LLM_Op<mnemonic, [Pure, LLM_Elementwise,
    TypesMatchWith<"C1: the result has the type of x", "x", "result", "$_self">]> {
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

class LLM_BinaryOp<string mnemonic> : LLM_Op<mnemonic, [Pure, LLM_Elementwise, Commutative,
    TypesMatchWith<"C1: rhs has the type of lhs", "lhs", "rhs", "$_self">,
    TypesMatchWith<"C2: the result has the type of lhs", "lhs", "result", "$_self">]> {
  let arguments = (ins LLM_Activation:$lhs, LLM_Activation:$rhs);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs)";
}

def LLM_AddOp : LLM_BinaryOp<"add"> {
  let summary = "y = lhs + rhs";
  let description = [{ C1: rhs has the type of lhs. C2: the result has the type of lhs. }];
}

def LLM_MulOp : LLM_BinaryOp<"mul"> {
  let summary = "y = lhs * rhs";
  let description = [{ C1: rhs has the type of lhs. C2: the result has the type of lhs. }];
}

def LLM_ActOp : LLM_UnaryOp<"act"> {
  let summary = "y = fn(x)";
  let description = [{
    silu: x / (1 + exp(-x)); gelu_tanh: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); relu: max(x, 0). C1: the result has the type of x.
  }];
  let arguments = (ins LLM_Activation:$x, LLM_ActFnAttr:$fn);
  let hasFolder = 1;
}

def LLM_ScaleOp : LLM_UnaryOp<"scale"> {
  let summary = "y = factor * x";
  let description = [{ C1: the result has the type of x. }];
  let arguments = (ins LLM_Activation:$x, LLM_F64Attr:$factor);
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}

def LLM_SoftcapOp : LLM_UnaryOp<"softcap"> {
  let summary = "y = cap * tanh(x / cap)";
  let description = [{ C1: the result has the type of x. C2: cap > 0. }];
  let arguments = (ins LLM_Activation:$x, LLM_F64Attr:$cap);
  let hasVerifier = 1;
}

def LLM_CastOp : LLM_TypedOp<"cast", [Pure, LLM_Elementwise]> {
  let summary = "changes the element type, rounding to nearest even";
  let description = [{ C1: the result has the dimensions of x. }];
  let arguments = (ins LLM_FloatActivation:$x);
  let results = (outs LLM_FloatActivation:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
}

def LLM_GluOp : LLM_TypedOp<"glu", [Pure]> {
  let summary = "y = act(gate) * up";
  let description = [{
    `llm.glu %gate, %up {act}`, or `llm.glu %gateup {act, interleave = 16}` where the columns are 16 of gate, 16 of up, and so on.
    C1: two operands of one type with interleave = 0, or one operand with interleave = 16. C2: the columns of a single operand are a
    multiple of 32. C3: the result is [rows, columns of gate].
  }];
  let arguments = (ins LLM_Activation:$gate, Optional<LLM_Activation>:$up, LLM_ActFnAttr:$act, DefaultValuedAttr<LLM_I64Attr, "0">:$interleave);
  let results = (outs LLM_Activation:$result);
  let builders = [
    OpBuilder<(ins "::mlir::Value":$gate, "::mlir::Value":$up, "::llmc::llm::ActFn":$act)>,
    OpBuilder<(ins "::mlir::Value":$gateup, "::llmc::llm::ActFn":$act)>];
  let hasVerifier = 1;
}

#endif // LLMC_DIALECTS_LLM_POINTWISEOPS_TD
