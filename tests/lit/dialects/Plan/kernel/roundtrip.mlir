// plan.kernel with one class of rows and with several, over each unit, with and without scratch, origin and fusions.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  // CHECK: plan.kernel @one {args = 1 : i64, dim = #plan.rows_dim<row>, family = "norm", m_max = array<i64: 0>}
  plan.kernel @one {m_max = array<i64: 0>, dim = #plan.rows_dim<row>, family = "norm", args = 1 : i64}
  // CHECK-NEXT: plan.kernel @several {args = 3 : i64, dim = #plan.rows_dim<token>, family = "linear", fused = ["F2", "F7"], m_max = array<i64: 1, 4, 16, 0>, origin = ["a", "b"], scratch_bytes = 192 : i64}
  plan.kernel @several {m_max = array<i64: 1, 4, 16, 0>, dim = #plan.rows_dim<token>, family = "linear", args = 3 : i64, scratch_bytes = 192 : i64, origin = ["a", "b"], fused = ["F2", "F7"]}
}
