// x (1, 2), (3, 4) times the rows (1, 0), (0, 1), (1, -1), plus (0, 0, 10).
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [2, 3]
// CHECK-NEXT: // 1.00000 2.00000 9.00000
// CHECK-NEXT: // 3.00000 4.00000 9.00000
!x = tensor<2x2xf32, #llm.dims<[2, 2]>>
!y = tensor<2x3xf32, #llm.dims<[2, 3]>>
!w = !llm.weight<[3, 2], #llm.q<f32>>
!b = !llm.weight<[3], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 3>], llm.literal = dense<[[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]> : tensor<3x2xf64>}
llm.weight @b : !b {sources = [#llm.source<"b", rows = 3>], llm.literal = dense<[0.0, 0.0, 10.0]> : tensor<3xf64>}
func.func @eval() -> !y {
  %x = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : !x
  %w = llm.use @w : !w
  %b = llm.use @b : !b
  %y = llm.linear %x, %w, %b : (!x, !w, !b) -> !y
  return %y : !y
}
