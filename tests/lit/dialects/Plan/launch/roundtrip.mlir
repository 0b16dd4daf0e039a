// plan.launch with each kind of argument, with and without a layer.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

llm.weight @w : !llm.weight<[64, 64], #llm.q<f16>> {sources = [#llm.source<"w", rows = 64>]}
plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 5 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      // CHECK: plan.launch @k [#plan.arg<slot, @l>, #plan.arg<slot, @l, 32>, #plan.arg<weight, @w>, #plan.arg<kv, 12288>, #plan.arg<batch>]{{$}}
      plan.launch @k [#plan.arg<slot, @l>, #plan.arg<slot, @l, 32>, #plan.arg<weight, @w>, #plan.arg<kv, 12288>, #plan.arg<batch>]
      // CHECK-NEXT: plan.launch @k [#plan.arg<batch>, #plan.arg<kv>, #plan.arg<batch>, #plan.arg<batch>, #plan.arg<slot, @l>] {layer = 29 : i64}
      plan.launch @k [#plan.arg<batch>, #plan.arg<kv>, #plan.arg<batch>, #plan.arg<batch>, #plan.arg<slot, @l>] {layer = 29 : i64}
    }
  }
}
