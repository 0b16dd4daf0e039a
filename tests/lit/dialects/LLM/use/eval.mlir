// Every use of a weight has its values; another weight has its own.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// x (1, 2) times @w, that times @w again, and x times @v.
// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 5.00000 2.00000
// CHECK: // eval step 0 result 1 [1, 2]
// CHECK-NEXT: // 9.00000 2.00000
// CHECK: // eval step 0 result 2 [1, 2]
// CHECK-NEXT: // -1.00000 2.00000
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
!w = !llm.weight<[2, 2], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 2>], llm.literal = dense<[[1.0, 2.0], [0.0, 1.0]]> : tensor<2x2xf64>}
llm.weight @v : !w {sources = [#llm.source<"v", rows = 2>], llm.literal = dense<[[1.0, -1.0], [0.0, 1.0]]> : tensor<2x2xf64>}
func.func @eval() -> (!x, !x, !x) {
  %x = arith.constant dense<[[1.0, 2.0]]> : !x
  %once = llm.use @w : !w
  %again = llm.use @w : !w
  %other = llm.use @v : !w
  %a = llm.linear %x, %once : (!x, !w) -> !x
  %b = llm.linear %a, %again : (!x, !w) -> !x
  %c = llm.linear %x, %other : (!x, !w) -> !x
  return %a, %b, %c : !x, !x, !x
}
