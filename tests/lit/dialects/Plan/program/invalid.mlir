// Each rule of plan.program refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C1: expected plan.slot, then plan.phase, found 'arith.constant'}}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    %c = arith.constant 0 : i32
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C1: expected plan.slot, then plan.phase, found 'plan.slot' after a phase}}
  plan.program @p t_max 0 logits @l regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
    plan.slot @x row offset 0 bytes 64
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C2: expected 4 region sizes that are multiples of 64, found 0, 0, 64}}
  plan.program @p t_max 0 logits @l regions [0, 0, 64] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C2: expected 4 region sizes that are multiples of 64, found 0, 0, 65, 0}}
  plan.program @p t_max 0 logits @l regions [0, 0, 65, 0] {
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
    // expected-error @+1 {{C3: expected an end of at most 64 in the region 'row', found 64 + 64}}
    plan.slot @x row offset 64 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C4: expected logits to name a slot counted in rows, found 'absent'}}
  plan.program @p t_max 0 logits @absent regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C4: expected logits to name a slot counted in rows, found 'x'}}
  plan.program @p t_max 0 logits @x regions [0, 64, 64, 0] {
    plan.slot @x token offset 0 bytes 64
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
      // expected-error @+1 {{C5: expected a slot named 'absent', found none}}
      plan.launch @k [#plan.arg<slot, @absent>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C6: expected t_max and q_max >= 0, found -1 and 0}}
  plan.program @p t_max -1 logits @l regions [0, 0, 64, 0] {
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
    // expected-note @+1 {{see existing symbol definition here}}
    plan.slot @l row offset 0 bytes 64
    // expected-error @+1 {{redefinition of symbol named 'l'}}
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C4: expected argmax to name a slot counted in rows, found 'x'}}
  plan.program @p t_max 0 logits @l argmax @x tile 128 regions [0, 64, 64, 0] {
    plan.slot @x token offset 0 bytes 64
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C4: expected sample to name a slot counted in rows, found 'x'}}
  plan.program @p t_max 0 logits @l sample @x regions [0, 64, 64, 0] {
    plan.slot @x token offset 0 bytes 64
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}

// -----

plan.engine attributes {levels = ["x86-64-v3"], model = {family = "llama"}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64} {
  plan.kernel @k {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "linear", args = 1 : i64}
  // expected-error @+1 {{C7: expected argmax with a tile > 0, found a tile of 0}}
  plan.program @p t_max 0 logits @l argmax @l tile 0 regions [0, 0, 64, 0] {
    plan.slot @l row offset 0 bytes 64
    plan.phase {
      plan.launch @k [#plan.arg<slot, @l>]
    }
  }
}
