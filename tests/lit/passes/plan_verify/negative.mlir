// Bytes shared while both slots are alive, a slot that nothing writes, and a read in the phase of its write are errors.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --plan-verify

module {
  plan.engine attributes {abi_version = 1 : i64, levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 64 : i64, page_bytes = 64 : i64} {
    plan.kernel @copy {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "pointwise", args = 2 : i64}
    plan.kernel @make {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "embed", args = 1 : i64}
    plan.program @mixed t_max 0 logits @logits regions [0, 192, 64, 0] {
      plan.slot @a token offset 0 bytes 192
      // expected-error @+1 {{shares bytes with @a while both are alive}}
      plan.slot @b token offset 64 bytes 128
      plan.slot @logits row offset 0 bytes 64
      plan.phase {
        plan.launch @copy [#plan.arg<slot, @a>, #plan.arg<slot, @b>]
        plan.launch @make [#plan.arg<slot, @logits>]
      }
    }
  }
}

// -----

module {
  plan.engine attributes {abi_version = 1 : i64, levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 64 : i64, page_bytes = 64 : i64} {
    plan.kernel @copy {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "pointwise", args = 2 : i64}
    plan.kernel @make {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "embed", args = 1 : i64}
    plan.program @mixed t_max 0 logits @logits regions [0, 192, 64, 0] {
      // expected-error @+1 {{must be written by a launch, found none that does}}
      plan.slot @a token offset 0 bytes 192
      plan.slot @logits row offset 0 bytes 64
      plan.phase {
        plan.launch @make [#plan.arg<slot, @logits>]
      }
    }
  }
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
kern.func @act(%x: !x) -> !x attributes {hero = "pointwise"} {
  %y = llm.act %x {fn = #llm.act_fn<silu>} : !x
  kern.yield %y : !x
}
plan.engine attributes {abi_version = 1 : i64, levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 64 : i64, page_bytes = 64 : i64} {
  plan.kernel @act {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "pointwise", args = 2 : i64}
  plan.program @mixed t_max 0 logits @logits regions [0, 384, 64, 0] {
    plan.slot @a token offset 0 bytes 192
    plan.slot @b token offset 192 bytes 192
    plan.slot @logits row offset 0 bytes 64
    plan.phase {
      // expected-error @+1 {{reads @a, which no earlier phase writes}}
      plan.launch @act [#plan.arg<slot, @a>, #plan.arg<slot, @b>]
    }
    plan.phase {
      plan.launch @act [#plan.arg<slot, @b>, #plan.arg<slot, @logits>]
    }
  }
}
