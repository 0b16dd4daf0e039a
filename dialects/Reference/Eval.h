// What each llm op computes, as one short function a op over plain tensors; kernel tests call these directly.
#pragma once

#include "dialects/LLM/LLMDialect.h"
#include "dialects/Reference/Tensor.h"

#include <optional>
#include <span>

namespace llmc::reference {

/// y[t] = scale * table[token_ids[t]]; table [V, H].
Tensor embed(const Batch& batch, const Tensor& table, double scale);
/// y[s] = x[sample_rows[s]].
Tensor selectRows(const Tensor& x, const Batch& batch);
/// y[t, j] = x[t, offset + j], j < size.
Tensor slice(const Tensor& x, int64_t offset, int64_t size);
/// x[s] of the rows that the batch asks for, NaN in the others: nobody may read them.
Tensor keepRows(const Tensor& x, const Batch& batch);
/// [rows, 2 * tiles]: of each tile the largest value, then of each tile the first column that has it.
Tensor argmax(const Tensor& logits, int64_t tile);
Tensor sample(const Tensor& best);

/// segment 0: the mean runs over the whole row; w [cols or segment, 1].
Tensor rmsnorm(const Tensor& x, const Tensor& w, double eps, bool unitOffset, int64_t segment);
/// b may be null.
Tensor layernorm(const Tensor& x, const Tensor& w, const Tensor* b, double eps);

/// y = x * w^T + bias; x [T, K], w [N, K], bias [N, 1] or null.
Tensor linear(const Tensor& x, const Tensor& w, const Tensor* bias);
/// q * scale with scale = f32(max|x| / 127) of each 16 columns and q the nearest even integer; `round` false: x itself.
Tensor quantize(const Tensor& x, bool round);
/// The nearest e4m3 (8-bit float of 4 and 3 bits, largest 448, no infinity), ties to even.
double roundToE4M3(double x);
/// Numbers as `kind` keeps them: rounded to f16 or bf16, or q * scale with one scale = f32(max|x| / M) for all and q =
/// the nearest code to f32(x * f32(M / max|x|)), M 127 (i8) or 448 (e4m3).
void storeAs(llm::QuantKind kind, std::span<double> x);
/// Each row as e4m3; `round` false: x itself.
Tensor quantizeRows(const Tensor& x, bool round);

Tensor rope(const Tensor& x, const Batch& batch, llm::RopeAttr rope, int64_t headDim);
/// Stores k and v [T, heads * dim] as `kind`; none: as they are.
void kvWrite(KvCache& kv, const Tensor& k, const Tensor& v, const Batch& batch, int64_t layer,
             std::optional<llm::QuantKind> kind);

/// Numbers that both attention ops take; heads are query heads.
struct AttendParams {
  int64_t layer = 0, heads = 0;
  double scale = 1.0;
  int64_t window = 0;
  double softcap = 0.0;
};
/// `sinks` [heads, 1] or null.
Tensor attend(const Tensor& q, const KvCache& kv, const Batch& batch, const AttendParams& params,
              const Tensor* sinks = nullptr);
/// [T, heads * splits * (dim + 2)]: for each (head, split) dim sums, m, l.
Tensor attendPartial(const Tensor& q, const KvCache& kv, const Batch& batch, const AttendParams& params,
                     int64_t splits);
Tensor attendMerge(const Tensor& p, int64_t heads, int64_t headDim, int64_t splits, const Tensor* sinks = nullptr);

double activate(double x, llm::ActFn fn);
/// act(gate) * up.
Tensor glu(const Tensor& gate, const Tensor& up, llm::ActFn fn);
/// Columns of x: 16 of gate, 16 of up, and so on.
Tensor gluInterleaved(const Tensor& x, llm::ActFn fn);
/// f(x) for each element.
Tensor map(const Tensor& x, llvm::function_ref<double(double)> f);
/// f(a, b) for each pair of elements.
Tensor zip(const Tensor& a, const Tensor& b, llvm::function_ref<double(double, double)> f);

}  // namespace llmc::reference
