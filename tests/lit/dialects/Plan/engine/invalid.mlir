// Each rule of plan.engine refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{C1: expected plan.kernel and plan.program only, found 'arith.constant'}}
plan.engine attributes {levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  %c = arith.constant 0 : i32
}

// -----

// expected-error @+1 {{C2: expected at least one level, found none}}
plan.engine attributes {levels = [], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

// expected-error @+1 {{C2: expected each level once, found 'x86-64-v3' again}}
plan.engine attributes {levels = ["x86-64-v3", "x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

// expected-error @+1 {{C3: expected page_bytes to be a multiple of layer_bytes, and that of 64, found 368640 and 12289}}
plan.engine attributes {levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 12289 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

// expected-error @+1 {{C4: expected programs to rise in q_max and t_max with 0 last, found t_max 8 4}}
plan.engine attributes {levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @a t_max 8 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
  plan.program @b t_max 4 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      // expected-error @+1 {{C5: expected a plan.kernel named 'absent', found none}}
      plan.launch @absent [#plan.arg<slot, @l>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      // expected-error @+1 {{C5: expected 1 arguments, found 2}}
      plan.launch @k [#plan.arg<slot, @l>, #plan.arg<batch>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      // expected-error @+1 {{C6: expected a weight named 'absent' in the module, found none}}
      plan.launch @k [#plan.arg<weight, @absent>]
    }
  }
}

// -----

// expected-error @+1 {{C4: expected programs to rise in q_max and t_max with 0 last, found t_max 0 (q_max 1)}}
plan.engine attributes {levels = ["cuda:sm_80"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "cuda"} {
  plan.program @a t_max 0 logits @l regions [0, 0, 64, 0] attributes {q_max = 1 : i64} {
    plan.slot @l row offset 0 bytes 64
  }
}

// -----

// expected-error @+1 {{C7: expected target cpu or cuda, found 'rocm'}}
plan.engine attributes {levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "rocm"} {}

// -----

// expected-error @+1 {{C7: expected levels of target cuda, found "x86-64-v3"}}
plan.engine attributes {levels = ["cuda:sm_80", "x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "cuda"} {}

// -----

// expected-error @+1 {{C7: expected levels of target cpu, found "cuda:sm_80"}}
plan.engine attributes {levels = ["cuda:sm_80"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "cpu"} {}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "cpu"} {
  // expected-error @+1 {{C7 of plan.engine: expected q_max 0 for target cpu, found 1}}
  plan.program @a t_max 0 logits @l regions [0, 0, 64, 0] attributes {q_max = 1 : i64} {
    plan.slot @l row offset 0 bytes 64
  }
}

// -----

plan.engine attributes {levels = ["cuda:sm_80"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "cuda"} {
  // expected-error @+1 {{C7 of plan.engine: expected no bytes a worker for target cuda, found 128}}
  plan.program @a t_max 0 logits @l regions [0, 0, 64, 128] {
    plan.slot @l row offset 0 bytes 64
  }
}

// -----

// expected-error @+1 {{C8: expected kv_kind f16 or i8, or f32 for target cpu, or bf16 or e4m3 for target cuda, found 'i4'}}
plan.engine attributes {levels = ["cuda:sm_80"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "cuda", kv_kind = "i4"} {
}

// -----

// expected-error @+1 {{C8: expected kv_kind f16 or i8, or f32 for target cpu, or bf16 or e4m3 for target cuda, found 'e4m3'}}
plan.engine attributes {levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, kv_kind = "e4m3"} {
}

// -----

// expected-error @+1 {{C8: expected kv_kind f16 or i8, or f32 for target cpu, or bf16 or e4m3 for target cuda, found 'f32'}}
plan.engine attributes {levels = ["cuda:sm_80"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "cuda", kv_kind = "f32"} {
}
