// Positions, the cache and attention: rope, kv_write, attend, attend_partial, attend_merge.
#ifndef LLMC_DIALECTS_LLM_ATTENTIONOPS_TD
#define LLMC_DIALECTS_LLM_ATTENTIONOPS_TD

include "dialects/LLM/LLMTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def LLM_KvResource : Resource<"::llmc::llm::KvResource">;

def LLM_RopeOp : LLM_TypedOp<"rope", [Pure, TypesMatchWith<"C1: the result has the type of x", "x", "result", "$_self">]> {
  let summary = "rotates the first rope.dim columns of each head by position * frequency";
  let description = [{
    Pair (a, b) of row t becomes (a cos - b sin, a sin + b cos) with the angle positions[t] * f_i. The table [R, dim] holds cosines and
    sines for angle addition; it changes how the kernel computes, not what.
    C1: the result has the type of x. C2: columns are a multiple of head_dim. C3: rope dim <= head_dim. C4: a table is a matrix with
    rope dim columns. C5: rows are T or a number.
  }];
  let arguments = (ins LLM_Activation:$x, LLM_BatchType:$batch, Optional<LLM_WeightType>:$table, LLM_RopeAttr:$rope, LLM_I64Attr:$head_dim);
  let results = (outs LLM_Activation:$result);
  let hasVerifier = 1;
}

def LLM_KvWriteOp : LLM_TypedOp<"kv_write"> {
  let summary = "stores the keys and values of this step's tokens in their cache slots (f16)";
  let description = [{
    C1: layer is one of the cache's layers. C2: k has heads * dim columns. C3: v has the type of k. C4: rows are T or a number.
  }];
  let arguments = (ins Arg<LLM_KvType, "cache", [MemWrite<LLM_KvResource>]>:$kv, LLM_Activation:$k, LLM_Activation:$v, LLM_BatchType:$batch,
                       LLM_I64Attr:$layer);
  let hasVerifier = 1;
}

class LLM_AttendBase<string mnemonic> : LLM_TypedOp<mnemonic> {
  let results = (outs LLM_Activation:$result);
  let hasVerifier = 1;
}

def LLM_AttendOp : LLM_AttendBase<"attend"> {
  let summary = "causal attention of this step's queries over the cache, this step's keys included";
  let description = [{
    For token t of sequence s at position p and head h, over cached positions j <= p (and j > p - window when window > 0):
    z_j = scale * q.k_j, softcap > 0: z_j = softcap * tanh(z_j / softcap), y = sum softmax(z)_j v_j. Query head h reads key/value head
    h / (heads / kv heads). C1: layer is one of the cache's layers. C2: heads is a positive multiple of the cache's heads. C3: q has
    heads * dim columns. C4: the result is [rows of q, heads * dim]. C5: scale, window and softcap are not negative. C6: rows are T or a number.
    With sinks s [heads], learned logits of keys without a value, the softmax of head h counts one more:
    y = sum exp(z_j) v_j / (exp(s_h) + sum exp(z_j)); neither scale nor softcap touches s. C7: sinks are [heads] of f32.
    bf16_products is a permission: the factors of q.k and of the weighted sum of v may be rounded to bf16 or, finer, to 16-bit
    integers with a scale, sums stay f32 or exact: CPUs do twice as many such products a cycle (AVX512-BF16; AVX2's vpmaddwd). Set where activations are int8 anyway; the formula above does not change.
  }];
  let arguments = (ins LLM_Activation:$q, Arg<LLM_KvType, "cache", [MemRead<LLM_KvResource>]>:$kv, LLM_BatchType:$batch,
                       Optional<LLM_WeightType>:$sinks, LLM_I64Attr:$layer,
                       LLM_I64Attr:$heads, LLM_F64Attr:$scale, DefaultValuedAttr<LLM_I64Attr, "0">:$window,
                       DefaultValuedAttr<LLM_F64Attr, "0.0">:$softcap, UnitAttr:$bf16_products);
  let builders = [OpBuilder<(ins "::mlir::Value":$q, "::mlir::Value":$kv, "::mlir::Value":$batch, "int64_t":$layer, "int64_t":$heads,
                                 "double":$scale, CArg<"int64_t", "0">:$window, CArg<"double", "0.0">:$softcap,
                                 CArg<"::mlir::Value", "{}">:$sinks)>];
}

def LLM_AttendPartialOp : LLM_AttendBase<"attend_partial"> {
  let summary = "attend over each of `splits` ranges of the context, before they are merged";
  let description = [{
    The context of L tokens is cut in units of U = roundUp(max(64, ceil(L / splits)), 16; on the CPU 64); split i covers [i*U, min(L, (i+1)*U)).
    For (head, split) the row holds D sums of exp(z - m) * v, then m = max z, then l = sum of exp(z - m); an empty split has m = -inf,
    l = 0, and sums that nothing may read. C1..C3, C5, C6 as llm.attend. C4: the result is [rows of q, heads * splits * (dim + 2)]. C7: splits > 0.
  }];
  let arguments = (ins LLM_Activation:$q, Arg<LLM_KvType, "cache", [MemRead<LLM_KvResource>]>:$kv, LLM_BatchType:$batch, LLM_I64Attr:$layer,
                       LLM_I64Attr:$heads, LLM_F64Attr:$scale, DefaultValuedAttr<LLM_I64Attr, "0">:$window,
                       DefaultValuedAttr<LLM_F64Attr, "0.0">:$softcap, LLM_I64Attr:$splits);
  let builders = [OpBuilder<(ins "::mlir::Value":$q, "::mlir::Value":$kv, "::mlir::Value":$batch, "int64_t":$layer, "int64_t":$heads,
                                 "double":$scale, "int64_t":$window, "double":$softcap, "int64_t":$splits)>];
}

def LLM_AttendMergeOp : LLM_TypedOp<"attend_merge", [Pure]> {
  let summary = "y = sum_i exp(m_i - m) acc_i / sum_i exp(m_i - m) l_i with m = max m_i, for each head";
  let description = [{
    With sinks s as llm.attend has them, exp(s - m) more in the denominator: parts know nothing of them.
    C1: p has heads * splits * (head_dim + 2) columns. C2: the result is [rows of p, heads * head_dim]. C3: heads, head_dim, splits > 0.
    C4: sinks are [heads] of f32.
  }];
  let arguments = (ins LLM_Activation:$p, Optional<LLM_WeightType>:$sinks, LLM_I64Attr:$heads, LLM_I64Attr:$head_dim, LLM_I64Attr:$splits);
  let results = (outs LLM_Activation:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$p, "int64_t":$heads, "int64_t":$head_dim, "int64_t":$splits,
                                 CArg<"::mlir::Value", "{}">:$sinks)>];
  let hasVerifier = 1;
}

#endif // LLMC_DIALECTS_LLM_ATTENTIONOPS_TD
