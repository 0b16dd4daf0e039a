// Target cuda: the logits stay whole, tiles have 1024 columns.
// RUN: llmc-opt %s --llm-insert-argmax=target=cuda | FileCheck %s
// RUN: llmc-opt %s --llm-insert-argmax=target=cuda --llm-insert-argmax=target=cuda | FileCheck %s

// CHECK: @forward({{.*}}) -> (tensor<?x3000xf32, #llm.dims<[S, 3000]>>, tensor<?x6xf32, #llm.dims<[S, 6]>>)
// CHECK: %[[L:.*]] = llm.linear
// CHECK-NEXT: %[[A:.*]] = llm.argmax %[[L]] {tile = 1024 : i64}
// CHECK-NEXT: return %[[L]], %[[A]]
!x = tensor<?x32xf32, #llm.dims<[S, 32]>>
!l = tensor<?x3000xf32, #llm.dims<[S, 3000]>>
!w = !llm.weight<[3000, 32], #llm.q<f16>>
llm.weight @head : !w {sources = [#llm.source<"head", rows = 3000>]}
func.func @forward(%b: !llm.batch, %x: !x) -> !l {
  %w = llm.use @head : !w
  %y = llm.linear %x, %w : (!x, !w) -> !l
  return %y : !l
}
