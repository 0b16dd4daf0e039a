// A whole plan, as it goes into the engine file.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

llm.weight @wq : !llm.weight<[64, 64], #llm.q<f16>> {sources = [#llm.source<"q", rows = 64>]}
// CHECK: plan.engine attributes {layer_bytes = 12288 : i64, levels = ["x86-64-v3", "x86-64-v4"], model = {family = "llama", layers = 30 : i64}, page_bytes = 368640 : i64, page_tokens = 16 : i64} {
plan.engine attributes {levels = ["x86-64-v3", "x86-64-v4"], model = {family = "llama", layers = 30}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  // CHECK: plan.kernel @linear_0 {args = 5 : i64, dim = #plan.rows_dim<token>, family = "linear", fused = ["F7"], m_max = array<i64: 1, 4, 0>, origin = ["o_proj"], scratch_bytes = 128 : i64}
  plan.kernel @linear_0 {m_max = array<i64: 1, 4, 0>, dim = #plan.rows_dim<token>, family = "linear", args = 5 : i64, scratch_bytes = 128 : i64, origin = ["o_proj"], fused = ["F7"]}
  // CHECK: plan.program @decode t_max 8 logits @logits regions [0, 2304, 4160, 128] {
  plan.program @decode t_max 8 logits @logits regions [0, 2304, 4160, 128] {
    // CHECK-NEXT: plan.slot @x token offset 0 bytes 2304
    plan.slot @x token offset 0 bytes 2304
    // CHECK-NEXT: plan.slot @logits row offset 0 bytes 4160
    plan.slot @logits row offset 0 bytes 4160
    // CHECK-NEXT: plan.slot @scratch worker offset 0 bytes 128
    plan.slot @scratch worker offset 0 bytes 128
    // CHECK-NEXT: plan.phase {
    plan.phase {
      // CHECK-NEXT: plan.launch @linear_0 [#plan.arg<slot, @x>, #plan.arg<weight, @wq>, #plan.arg<kv, 12288>, #plan.arg<batch>, #plan.arg<slot, @scratch, 64>] {layer = 1 : i64}
      plan.launch @linear_0 [#plan.arg<slot, @x>, #plan.arg<weight, @wq>, #plan.arg<kv, 12288>, #plan.arg<batch>, #plan.arg<slot, @scratch, 64>] {layer = 1 : i64}
    }
  }
  // CHECK: plan.program @mixed t_max 0 logits @logits regions [0, 0, 4160, 0] {
  plan.program @mixed t_max 0 logits @logits regions [0, 0, 4160, 0] {
    plan.slot @logits row offset 0 bytes 4160
  }
}
