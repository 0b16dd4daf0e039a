// F3: three products of one input become one, cut by slices. F4: gate and up become one interleaved product.
// RUN: llmc-opt %s --llm-fuse-horizontal | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!k = tensor<?x16xf32, #llm.dims<[T, 16]>>
!f = tensor<?x48xf32, #llm.dims<[T, 48]>>
!wq = !llm.weight<[32, 32], #llm.q<f16>>
!wk = !llm.weight<[16, 32], #llm.q<f16>>
!wf = !llm.weight<[48, 32], #llm.q<f16>>
!bq = !llm.weight<[32], #llm.q<f32>>
!bk = !llm.weight<[16], #llm.q<f32>>
// CHECK: llm.weight @a.q_k : !llm.weight<[48, 32], #llm.q<f16>> {arrange = #llm.arrange<concat>, sources = [#llm.source<"q", rows = 32>, #llm.source<"k", rows = 16>]}
// CHECK: llm.weight @a.qb_kb : !llm.weight<[48], #llm.q<f32>>
// CHECK: llm.weight @m.gate_up : !llm.weight<[96, 32], #llm.q<f16>> {arrange = #llm.arrange<interleave16>
// CHECK-NOT: llm.weight
llm.weight @a.q : !wq {sources = [#llm.source<"q", rows = 32>]}
llm.weight @a.k : !wk {sources = [#llm.source<"k", rows = 16>]}
llm.weight @a.qb : !bq {sources = [#llm.source<"qb", rows = 32>]}
llm.weight @a.kb : !bk {sources = [#llm.source<"kb", rows = 16>]}
llm.weight @m.gate : !wf {sources = [#llm.source<"gate", rows = 48>]}
llm.weight @m.up : !wf {sources = [#llm.source<"up", rows = 48>]}

// CHECK-LABEL: @qkv
// CHECK: %[[QK:.*]] = llm.linear %[[X:.*]], %{{.*}}, %{{.*}} :
// CHECK: %[[Q:.*]] = llm.slice %[[QK]] {offset = 0 : i64, size = 32 : i64}
// CHECK: %[[K:.*]] = llm.slice %[[QK]] {offset = 32 : i64, size = 16 : i64}
// CHECK: return %[[Q]], %[[K]]
func.func @qkv(%x: !x) -> (!x, !k) {
  %wq = llm.use @a.q : !wq
  %wk = llm.use @a.k : !wk
  %bq = llm.use @a.qb : !bq
  %bk = llm.use @a.kb : !bk
  %q = llm.linear %x, %wq, %bq : (!x, !wq, !bq) -> !x
  %k = llm.linear %x, %wk, %bk : (!x, !wk, !bk) -> !k
  return %q, %k : !x, !k
}

// CHECK-LABEL: @glu
// CHECK: %[[GU:.*]] = llm.linear
// CHECK: llm.glu %[[GU]] {act = #llm.act_fn<silu>, interleave = 16 : i64}
func.func @glu(%x: !x) -> !f {
  %wg = llm.use @m.gate : !wf
  %wu = llm.use @m.up : !wf
  %g = llm.linear %x, %wg : (!x, !wf) -> !f
  %u = llm.linear %x, %wu : (!x, !wf) -> !f
  %y = llm.glu %g, %u {act = #llm.act_fn<silu>} : (!f, !f) -> !f
  return %y : !f
}
