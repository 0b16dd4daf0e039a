// Each rule of plan.phase refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    // expected-error @+1 {{C1: expected at least one plan.launch, found none}}
    plan.phase {
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    // expected-error @+1 {{C1: expected plan.launch only, found 'arith.constant'}}
    plan.phase {
      %c = arith.constant 0 : i32
    }
  }
}
