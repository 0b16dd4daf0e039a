// Each rule of plan.kernel refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  // expected-error @+1 {{C1: expected m_max to rise and end with 0, found 1, 4}}
  plan.kernel @k {m_max = array<i64: 1, 4>, args = 1 : i64, dim = #plan.rows_dim<row>, family = "linear"}
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  // expected-error @+1 {{C1: expected m_max to rise and end with 0, found 4, 1, 0}}
  plan.kernel @k {m_max = array<i64: 4, 1, 0>, args = 1 : i64, dim = #plan.rows_dim<row>, family = "linear"}
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  // expected-error @+1 {{C2: expected args > 0, found 0}}
  plan.kernel @k {m_max = array<i64: 0>, args = 0 : i64, dim = #plan.rows_dim<row>, family = "linear"}
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  // expected-error @+1 {{C3: expected scratch_bytes that are a multiple of 64, found 65}}
  plan.kernel @k {m_max = array<i64: 0>, args = 1 : i64, scratch_bytes = 65 : i64, dim = #plan.rows_dim<row>, family = "linear"}
}
