// The selection moves before the final norm and its quantization; the function returns S rows.
// RUN: llmc-opt %s --llm-insert-select-rows | FileCheck %s
// RUN: llmc-opt %s --llm-insert-select-rows --llm-insert-select-rows | FileCheck %s

// CHECK: @forward({{.*}}) -> tensor<?x48xf32, #llm.dims<[S, 48]>>
// CHECK: %[[X:.*]] = llm.embed
// CHECK: %[[S:.*]] = llm.select_rows %[[X]], %arg0
// CHECK-NOT: select_rows
// CHECK: llm.rmsnorm %[[S]], {{.*}} -> tensor<?x32xf32, #llm.dims<[S, 32]>>
// CHECK: llm.quantize {{.*}} -> !llm.qact<[S, 32], zero = 128>
// CHECK: llm.linear {{.*}} -> tensor<?x48xf32, #llm.dims<[S, 48]>>
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!q = !llm.qact<[T, 32], zero = 128>
!l = tensor<?x48xf32, #llm.dims<[T, 48]>>
!e = !llm.weight<[48, 32], #llm.q<i8, 32, sym>>
!n = !llm.weight<[32], #llm.q<f32>>
llm.weight @embedding : !e {sources = [#llm.source<"embedding", rows = 48>]}
llm.weight @norm : !n {sources = [#llm.source<"norm", rows = 32>]}
func.func @forward(%b: !llm.batch) -> !l {
  %e = llm.use @embedding : !e
  %wn = llm.use @norm : !n
  %x = llm.embed %b, %e : (!llm.batch, !e) -> !x
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  %q = llm.quantize %n : (!x) -> !q
  %logits = llm.linear %q, %e : (!q, !e) -> !l
  return %logits : !l
}
