// A weight's values are those of its literal, row by row; one without a literal has the same random values in every run.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" > %t.once
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" > %t.twice
// RUN: diff %t.once %t.twice
// RUN: FileCheck %s < %t.once

// Unit vectors pick the columns of @w: rows (1, 2), (3, 4), (5, 6).
// CHECK: // eval step 0 result 0 [2, 3]
// CHECK-NEXT: // 1.00000 3.00000 5.00000
// CHECK-NEXT: // 2.00000 4.00000 6.00000
// Values of @random are neither all 0 nor all the same.
// CHECK: // eval step 0 result 1 [2, 3]
// CHECK-NOT: // [[VALUE:[-.0-9]+]] [[VALUE]] [[VALUE]]
// CHECK-NOT: // 0.00000 0.00000 0.00000
!x = tensor<2x2xf32, #llm.dims<[2, 2]>>
!y = tensor<2x3xf32, #llm.dims<[2, 3]>>
!w = !llm.weight<[3, 2], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 3>], llm.literal = dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf64>}
llm.weight @random : !w {sources = [#llm.source<"r", rows = 3>]}
func.func @eval() -> (!y, !y) {
  %x = arith.constant dense<[[1.0, 0.0], [0.0, 1.0]]> : !x
  %w = llm.use @w : !w
  %r = llm.use @random : !w
  %y = llm.linear %x, %w : (!x, !w) -> !y
  %z = llm.linear %x, %r : (!x, !w) -> !y
  return %y, %z : !y, !y
}
