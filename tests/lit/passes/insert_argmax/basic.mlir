// The function returns the logits of the rows that are asked for, and the largest of each tile; once.
// RUN: llmc-opt %s --llm-insert-argmax | FileCheck %s
// RUN: llmc-opt %s --llm-insert-argmax --llm-insert-argmax | FileCheck %s

// CHECK: @forward({{.*}}) -> (tensor<?x300xf32, #llm.dims<[S, 300]>>, tensor<?x6xf32, #llm.dims<[S, 6]>>)
// CHECK: %[[L:.*]] = llm.softcap
// CHECK-NEXT: %[[K:.*]] = llm.keep_rows %[[L]], %arg0
// CHECK-NEXT: %[[A:.*]] = llm.argmax %[[L]] {tile = 128 : i64}
// CHECK-NEXT: return %[[K]], %[[A]]
!x = tensor<?x32xf32, #llm.dims<[S, 32]>>
!l = tensor<?x300xf32, #llm.dims<[S, 300]>>
!w = !llm.weight<[300, 32], #llm.q<f16>>
llm.weight @head : !w {sources = [#llm.source<"head", rows = 300>]}
func.func @forward(%b: !llm.batch, %x: !x) -> !l {
  %w = llm.use @head : !w
  %p = llm.linear %x, %w : (!x, !w) -> !l
  %y = llm.softcap %p {cap = 30.0} : !l
  return %y : !l
}
