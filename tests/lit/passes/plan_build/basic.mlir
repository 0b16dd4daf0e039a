// Launches that need nothing from each other share a phase; slots have the row strides of the kernel ABI; the decode program
// comes first. Scratch is one slot for all kernels.
// RUN: llmc-opt %s --plan-build | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
kern.func @linear(%x: !x, %w: !w, %b: !llm.batch) -> !x attributes {hero = "linear", llmc.scratch_bytes = 128 : i64, config = [#kern.config<m_max = 1>, #kern.config<m_max = 16>]} {
  %y = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %y : !x
}
kern.func @embed(%b: !llm.batch, %w: !w) -> !x attributes {hero = "embed"} {
  %y = llm.embed %b, %w : (!llm.batch, !w) -> !x
  kern.yield %y : !x
}
kern.func @select(%x: !x, %b: !llm.batch) -> !s attributes {hero = "pointwise"} {
  %y = llm.select_rows %x, %b : (!x, !llm.batch) -> !s
  kern.yield %y : !s
}
// CHECK: plan.engine
// CHECK-SAME: layer_bytes = 1024 : i64
// CHECK-SAME: page_bytes = 2048 : i64
// CHECK: plan.kernel @linear {args = 5 : i64, dim = #plan.rows_dim<token>, family = "linear", m_max = array<i64: 1, 0>, scratch_bytes = 128 : i64}
// CHECK: plan.kernel @select {args = 3 : i64, dim = #plan.rows_dim<row>
// CHECK: plan.program @decode t_max 8 logits @v3 regions [0, 576, 192, 128]
// CHECK: plan.slot @v0 token offset 0 bytes 192
// CHECK: plan.slot @v3 row offset 0 bytes 192
// CHECK: plan.slot @scratch worker offset 0 bytes 128
// CHECK: plan.phase
// CHECK-NEXT: plan.launch @embed [#plan.arg<batch>, #plan.arg<weight, @w>, #plan.arg<slot, @v0>]
// CHECK: plan.phase
// CHECK-NEXT: plan.launch @linear [#plan.arg<slot, @v0>, #plan.arg<weight, @w>, #plan.arg<batch>, #plan.arg<slot, @v1>, #plan.arg<slot, @scratch>]
// CHECK-NEXT: plan.launch @linear
// CHECK: plan.phase
// CHECK-NEXT: plan.launch @select
// CHECK-NOT: plan.phase
// CHECK: plan.program @mixed t_max 0
func.func @mixed(%b: !llm.batch, %kv: !kv) -> !s attributes {llmc.t_max = 0 : i64} {
  %w = llm.use @w : !w
  %x = kern.call @embed(%b, %w) : (!llm.batch, !w) -> !x
  %s = kern.call @select(%x, %b) : (!x, !llm.batch) -> !s
  return %s : !s
}
func.func @decode(%b: !llm.batch, %kv: !kv) -> !s attributes {llmc.t_max = 8 : i64} {
  %w = llm.use @w : !w
  %x = kern.call @embed(%b, %w) : (!llm.batch, !w) -> !x
  %y = kern.call @linear(%x, %w, %b) : (!x, !w, !llm.batch) -> !x
  %z = kern.call @linear(%x, %w, %b) : (!x, !w, !llm.batch) -> !x
  %s = kern.call @select(%z, %b) : (!x, !llm.batch) -> !s
  return %s : !s
}
