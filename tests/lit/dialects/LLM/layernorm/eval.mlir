// Row (1, 3, 5, 7): mean 4, variance 5; with eps 4 the deviation is 3.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [1, 4]
// CHECK-NEXT: // -1.00000 -0.33333 0.66667 11.00000
!x = tensor<1x4xf32, #llm.dims<[1, 4]>>
!w = !llm.weight<[4], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 4>], llm.literal = dense<[1.0, 1.0, 2.0, 1.0]> : tensor<4xf64>}
llm.weight @b : !w {sources = [#llm.source<"b", rows = 4>], llm.literal = dense<[0.0, 0.0, 0.0, 10.0]> : tensor<4xf64>}
func.func @eval() -> !x {
  %x = arith.constant dense<[[1.0, 3.0, 5.0, 7.0]]> : !x
  %w = llm.use @w : !w
  %b = llm.use @b : !w
  %y = llm.layernorm %x, %w, %b {eps = 4.0} : (!x, !w, !w) -> !x
  return %y : !x
}
