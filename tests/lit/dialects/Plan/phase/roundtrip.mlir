// plan.phase with one launch and with two, between which there is no barrier.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    // CHECK: plan.phase {
    // CHECK-NEXT: plan.launch @k
    // CHECK-NEXT: }
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
    // CHECK-NEXT: plan.phase {
    // CHECK-NEXT: plan.launch @k
    // CHECK-NEXT: plan.launch @k
    // CHECK-NEXT: }
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
      plan.launch @k [#plan.arg<batch>]
    }
  }
}
