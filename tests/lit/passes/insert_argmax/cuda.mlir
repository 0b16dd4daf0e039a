// Target cuda: the logits stay whole, tiles have 1024 columns, and the token comes with them; a vocabulary too wide to sample has none.
// RUN: llmc-opt %s --llm-insert-argmax=target=cuda | FileCheck %s
// RUN: llmc-opt %s --llm-insert-argmax=target=cuda --llm-insert-argmax=target=cuda | FileCheck %s

// CHECK: @forward({{.*}}) -> (tensor<?x3000xf32, #llm.dims<[S, 3000]>>, tensor<?x6xf32, #llm.dims<[S, 6]>>, tensor<?x1xf32, #llm.dims<[S, 1]>>)
// CHECK: %[[L:.*]] = llm.linear
// CHECK-NEXT: %[[A:.*]] = llm.argmax %[[L]] {tile = 1024 : i64}
// CHECK-NEXT: %[[T:.*]] = llm.sample %[[L]], %[[A]], %arg0
// CHECK-NEXT: return %[[L]], %[[A]], %[[T]]
!x = tensor<?x32xf32, #llm.dims<[S, 32]>>
!l = tensor<?x3000xf32, #llm.dims<[S, 3000]>>
!w = !llm.weight<[3000, 32], #llm.q<f16>>
llm.weight @head : !w {sources = [#llm.source<"head", rows = 3000>]}
func.func @forward(%b: !llm.batch, %x: !x) -> !l {
  %w = llm.use @head : !w
  %y = llm.linear %x, %w : (!x, !w) -> !l
  return %y : !l
}

!wide = tensor<?x524289xf32, #llm.dims<[S, 524289]>>
!v = !llm.weight<[524289, 32], #llm.q<f16>>
llm.weight @wide : !v {sources = [#llm.source<"wide", rows = 524289>]}
// CHECK: @other
// CHECK: llm.argmax
// CHECK-NOT: llm.sample
func.func @other(%b: !llm.batch, %x: !x) -> !wide {
  %w = llm.use @wide : !v
  %y = llm.linear %x, %w : (!x, !v) -> !wide
  return %y : !wide
}
