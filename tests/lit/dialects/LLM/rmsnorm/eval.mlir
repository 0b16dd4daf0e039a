// Whole rows, then each half of the row with a unit offset.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// Row (3, 4, 0, 0): mean square 6.25, so values are divided by 2.5; w = (1, 2, 1, 1).
// CHECK: // eval step 0 result 0 [1, 4]
// CHECK-NEXT: // 1.20000 3.20000 0.00000 0.00000
// Halves (3, 4) and (0, 0) with eps 12.5: mean squares 12.5 and 0; factors 1/5 and 1/sqrt(12.5); 1 + w = (2, 3).
// CHECK: // eval step 0 result 1 [1, 4]
// CHECK-NEXT: // 1.20000 2.40000 0.00000 0.00000
!x = tensor<1x4xf32, #llm.dims<[1, 4]>>
llm.weight @w : !llm.weight<[4], #llm.q<f32>> {sources = [#llm.source<"w", rows = 4>], llm.literal = dense<[1.0, 2.0, 1.0, 1.0]> : tensor<4xf64>}
llm.weight @h : !llm.weight<[2], #llm.q<f32>> {sources = [#llm.source<"h", rows = 2>], llm.literal = dense<[1.0, 2.0]> : tensor<2xf64>}
func.func @eval() -> (!x, !x) {
  %x = arith.constant dense<[[3.0, 4.0, 0.0, 0.0]]> : !x
  %w = llm.use @w : !llm.weight<[4], #llm.q<f32>>
  %h = llm.use @h : !llm.weight<[2], #llm.q<f32>>
  %row = llm.rmsnorm %x, %w {eps = 0.0} : (!x, !llm.weight<[4], #llm.q<f32>>) -> !x
  %halves = llm.rmsnorm %x, %h {eps = 12.5, segment = 2, unit_offset = true} : (!x, !llm.weight<[2], #llm.q<f32>>) -> !x
  return %row, %halves : !x, !x
}
