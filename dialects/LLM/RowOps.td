// Ops that choose rows or columns: embed, select_rows, slice, argmax.
#ifndef LLMC_DIALECTS_LLM_ROWOPS_TD
#define LLMC_DIALECTS_LLM_ROWOPS_TD

include "dialects/LLM/LLMTypes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def LLM_EmbedOp : LLM_TypedOp<"embed", [Pure]> {
  let summary = "y[t, :] = scale * table[token_ids[t], :]";
  let description = [{ C1: the table is a matrix [V, H]. C2: the result has H columns. C3: result rows are T or a number. }];
  let arguments = (ins LLM_BatchType:$batch, LLM_WeightType:$table, DefaultValuedAttr<LLM_F64Attr, "1.0">:$scale);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$batch, "::mlir::Value":$table, CArg<"double", "1.0">:$scale)>];
  let hasVerifier = 1;
}

def LLM_SelectRowsOp : LLM_TypedOp<"select_rows", [Pure]> {
  let summary = "y[s, :] = x[sample_rows[s], :]";
  let description = [{ C1: x rows are T or a number. C2: result rows are S or a number. C3: same columns. }];
  let arguments = (ins LLM_Activation:$x, LLM_BatchType:$batch);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$batch)>];
  let hasVerifier = 1;
}

def LLM_SliceOp : LLM_TypedOp<"slice", [Pure]> {
  let summary = "y[t, j] = x[t, offset + j], j < size";
  let description = [{ C1: 0 <= offset, 0 < size, offset + size <= columns of x. C2: the result is [rows of x, size]. }];
  let arguments = (ins LLM_Activation:$x, LLM_I64Attr:$offset, LLM_I64Attr:$size);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "int64_t":$offset, "int64_t":$size)>];
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}

def LLM_ArgmaxOp : LLM_TypedOp<"argmax", [Pure]> {
  let summary = "y[s] = the smallest j with the largest logits[s, j]";
  let description = [{ C1: the result has the rows of logits. }];
  let arguments = (ins LLM_Activation:$logits);
  let results = (outs LLM_RowIndices:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$logits)>];
  let hasVerifier = 1;
}

#endif // LLMC_DIALECTS_LLM_ROWOPS_TD
