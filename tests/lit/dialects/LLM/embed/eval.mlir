// Rows of the table in the order of the tokens (ids 3 and 0 of 4), times the scale.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=2 sequences=1 past=0 steps=1" | FileCheck %s

// Token i of sequence 0 is (5 * i + 3) mod 4: 3, 0.
// CHECK: // eval step 0 result 0 [2, 2]
// CHECK-NEXT: // 20.00000 -20.00000
// CHECK-NEXT: // 5.00000 -5.00000
llm.weight @table : !llm.weight<[4, 2], #llm.q<f32>> {sources = [#llm.source<"e", rows = 4>],
  llm.literal = dense<[[0.5, -0.5], [1.0, -1.0], [1.5, -1.5], [2.0, -2.0]]> : tensor<4x2xf64>}
func.func @eval(%b: !llm.batch) -> tensor<?x2xf32, #llm.dims<[T, 2]>> {
  %table = llm.use @table : !llm.weight<[4, 2], #llm.q<f32>>
  %y = llm.embed %b, %table {scale = 10.0} : (!llm.batch, !llm.weight<[4, 2], #llm.q<f32>>) -> tensor<?x2xf32, #llm.dims<[T, 2]>>
  return %y : tensor<?x2xf32, #llm.dims<[T, 2]>>
}
