// Splits are weighed by exp(m - max m); an empty split has no weight.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// (acc 6, m 0, l 2), (acc 4, m ln 2, l 1), empty: (6/2 + 4) / (2/2 + 1) = 3.5.
// CHECK: // eval step 0 result 0 [1, 1]
// CHECK-NEXT: // 3.50000
// A sink of ln 4 has the weight 4 / 2 beside them: 7 / (2 + 2).
// CHECK: // eval step 0 result 1 [1, 1]
// CHECK-NEXT: // 1.75000
!p = tensor<1x9xf32, #llm.dims<[1, 9]>>
!s = !llm.weight<[1], #llm.q<f32>>
llm.weight @s : !s {sources = [#llm.source<"s", rows = 1>], llm.literal = dense<[1.38629436112]> : tensor<1xf64>}
!y = tensor<1x1xf32, #llm.dims<[1, 1]>>
func.func @eval() -> (!y, !y) {
  %p = arith.constant dense<[[6.0, 0.0, 2.0, 4.0, 0.69314718056, 1.0, 0.0, 0xFF800000, 0.0]]> : !p
  %y = llm.attend_merge %p {heads = 1, head_dim = 1, splits = 3} : (!p) -> !y
  %s = llm.use @s : !s
  %sunk = llm.attend_merge %p, %s {heads = 1, head_dim = 1, splits = 3} : (!p, !s) -> !y
  return %y, %sunk : !y, !y
}
