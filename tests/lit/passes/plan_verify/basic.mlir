// A plan whose slots share only dead bytes, and are written before they are read, passes unchanged.
// RUN: llmc-opt %s --plan-verify | FileCheck %s

// CHECK: plan.slot @b token offset 0
kern.func @make(%b: !llm.batch, %w: !llm.weight<[32, 32], #llm.q<f16>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>> attributes {hero = "embed"} {
  %y = llm.embed %b, %w : (!llm.batch, !llm.weight<[32, 32], #llm.q<f16>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  kern.yield %y : tensor<?x32xf32, #llm.dims<[T, 32]>>
}
llm.weight @w : !llm.weight<[32, 32], #llm.q<f16>> {sources = [#llm.source<"w", rows = 32>]}
plan.engine attributes {abi_version = 1 : i64, levels = ["x86-64-v3"], model = {}, page_tokens = 16 : i64, layer_bytes = 64 : i64, page_bytes = 64 : i64} {
  plan.kernel @make {m_max = array<i64: 0>, dim = #plan.rows_dim<token>, family = "embed", args = 3 : i64}
  plan.program @mixed t_max 0 logits @logits regions [0, 192, 192, 0] {
    plan.slot @a token offset 0 bytes 192
    plan.slot @b token offset 0 bytes 192
    plan.slot @logits row offset 0 bytes 192
    plan.phase {
      plan.launch @make [#plan.arg<batch>, #plan.arg<weight, @w>, #plan.arg<slot, @a>]
    }
    plan.phase {
      plan.launch @make [#plan.arg<batch>, #plan.arg<weight, @w>, #plan.arg<slot, @b>]
      plan.launch @make [#plan.arg<batch>, #plan.arg<weight, @w>, #plan.arg<slot, @logits>]
    }
  }
}
