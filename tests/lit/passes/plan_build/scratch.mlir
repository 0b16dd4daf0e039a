// Two kernels of one phase with scratch of different sizes get slots of their own; one of equal size shares; so does a later phase.
// RUN: llmc-opt %s --plan-build | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!v = !llm.weight<[32, 32], #llm.q<bf16>>
!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
llm.weight @v : !v {sources = [#llm.source<"v", rows = 32>]}
kern.func @small(%x: !x, %w: !w, %b: !llm.batch) -> !x attributes {hero = "linear", llmc.scratch_bytes = 128 : i64} {
  %y = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %y : !x
}
kern.func @large(%x: !x, %w: !v, %b: !llm.batch) -> !x attributes {hero = "linear", llmc.scratch_bytes = 192 : i64} {
  %y = llm.linear %x, %w : (!x, !v) -> !x
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
// CHECK: plan.program @mixed
// CHECK: plan.slot @scratch worker offset 0 bytes 192
// CHECK: plan.slot @scratch1 worker offset 192 bytes 192
// CHECK: plan.launch @embed
// CHECK: plan.phase
// CHECK-NEXT: plan.launch @small {{.*}}#plan.arg<slot, @scratch>]
// CHECK-NEXT: plan.launch @large {{.*}}#plan.arg<slot, @scratch1>]
// CHECK-NEXT: plan.launch @small {{.*}}#plan.arg<slot, @scratch>]
// CHECK: plan.phase
// CHECK-NEXT: plan.launch @large {{.*}}#plan.arg<slot, @scratch>]
func.func @mixed(%b: !llm.batch, %kv: !kv) -> !s attributes {llmc.t_max = 0 : i64} {
  %w = llm.use @w : !w
  %v = llm.use @v : !v
  %x = kern.call @embed(%b, %w) : (!llm.batch, !w) -> !x
  %0 = kern.call @small(%x, %w, %b) : (!x, !w, !llm.batch) -> !x
  %1 = kern.call @large(%x, %v, %b) : (!x, !v, !llm.batch) -> !x
  %2 = kern.call @small(%x, %w, %b) : (!x, !w, !llm.batch) -> !x
  %3 = kern.call @large(%2, %v, %b) : (!x, !v, !llm.batch) -> !x
  %4 = kern.call @select(%3, %b) : (!x, !llm.batch) -> !s
  return %4 : !s
}
