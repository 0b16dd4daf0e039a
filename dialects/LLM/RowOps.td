// Ops that choose rows or columns: embed, select_rows, keep_rows, slice, argmax, sample.
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

def LLM_KeepRowsOp : LLM_TypedOp<"keep_rows", [Pure]> {
  let summary = "y[s, :] = x[s, :] of the rows that the batch asks for; the others are not written";
  let description = [{
    What a step's batch asks for: the logits of rows that are sampled from or scored, not of those whose best token is enough.
    C1: x rows are S or a number. C2: the result has the type of x.
  }];
  let arguments = (ins LLM_Activation:$x, LLM_BatchType:$batch);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$batch)>];
  let hasVerifier = 1;
}

def LLM_ArgmaxOp : LLM_TypedOp<"argmax", [Pure]> {
  let summary = "of each tile of columns the largest value and the first column that has it";
  let description = [{
    With n = ceil(columns of logits / tile): y[s, i] = the largest of logits[s, tile * i, ... ], y[s, n + i] = the first column that has it, as
    a number. A logit that is not finite counts as +inf, so that it is seen. The best token of a row is the column of its first largest tile.
    C1: tile > 0. C2: the result is [rows of logits, 2 * n]. C3: at most 2^24 columns, which an f32 counts exactly.
  }];
  let arguments = (ins LLM_Activation:$logits, LLM_I64Attr:$tile);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$logits, "int64_t":$tile)>];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Tiles of a row.
    int64_t tiles();
  }];
}

def LLM_SampleOp : LLM_TypedOp<"sample", [Pure]> {
  let summary = "y[s] = the token that row s of the logits is sampled to, as a number, or -1";
  let description = [{
    What the batch asks for its row: the best token, or a draw from what penalties, bias, temperature and filters leave. Without requests, as in the
    interpreter, the best token: the column of the first largest tile of best (llm.argmax). -1 where the host must choose: it asked for
    the row, or no logit or not every one of it is a finite number.
    C1: best is the [rows, 2 * tiles] of an argmax. C2: the result is [rows of logits, 1]. C3: at most 2^19 columns.
  }];
  let arguments = (ins LLM_Activation:$logits, LLM_Activation:$best, LLM_BatchType:$batch);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$logits, "::mlir::Value":$best, "::mlir::Value":$batch)>];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Columns of logits that the op takes.
    static constexpr int64_t kMostColumns = int64_t{1} << 19;
  }];
}

#endif // LLMC_DIALECTS_LLM_ROWOPS_TD
