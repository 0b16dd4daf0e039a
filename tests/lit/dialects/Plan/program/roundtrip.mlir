// plan.program for few tokens and for any number, with and without argmax and sample.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // CHECK: plan.program @decode t_max 8 logits @l regions [0, 64, 64, 0] {
  plan.program @decode t_max 8 logits @l regions [0, 64, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
  // CHECK: plan.program @mixed t_max 0 logits @l argmax @a tile 512 regions [0, 0, 128, 0] {
  plan.program @mixed t_max 0 logits @l argmax @a tile 512 regions [0, 0, 128, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.slot @a row offset 64 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}
