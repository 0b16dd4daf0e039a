// A slot whose last reader is done gives its bytes to a later one; the logits outlive the program and share with nothing
// alive; the formula is in a remark.
// RUN: llmc-opt %s --plan-memory --plan-verify 2>&1 | FileCheck %s

// CHECK: remark: workspace bytes: 0 + 384 a token + 64 a sampled row + 0 a worker
// CHECK: plan.program @mixed t_max 0 logits @logits regions [0, 384, 64, 0]
// CHECK: plan.slot @a token offset 0 bytes 192
// CHECK: plan.slot @b token offset 192 bytes 192
// CHECK: plan.slot @c token offset 0 bytes 192
module {
  plan.engine attributes {abi_version = 1 : i64, levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 64 : i64, page_bytes = 64 : i64} {
    plan.kernel @copy {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "pointwise", args = 2 : i64}
    plan.kernel @make {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "embed", args = 1 : i64}
    plan.program @mixed t_max 0 logits @logits regions [0, 576, 64, 0] {
      plan.slot @a token offset 0 bytes 192
      plan.slot @b token offset 192 bytes 192
      plan.slot @c token offset 384 bytes 192
      plan.slot @logits row offset 0 bytes 64
      plan.phase {
        plan.launch @make [#plan.arg<slot, @a>]
      }
      plan.phase {
        plan.launch @copy [#plan.arg<slot, @a>, #plan.arg<slot, @b>]
      }
      plan.phase {
        plan.launch @copy [#plan.arg<slot, @b>, #plan.arg<slot, @c>]
      }
      plan.phase {
        plan.launch @copy [#plan.arg<slot, @c>, #plan.arg<slot, @logits>]
      }
    }
  }
}
