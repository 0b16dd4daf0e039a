// The last token of each sequence: rows 1 and 4 of a batch of 2 and 3 tokens.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=2 sequences=2 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [2, 1]
// CHECK-NEXT: // 11.00000
// CHECK-NEXT: // 14.00000
func.func @eval(%b: !llm.batch) -> tensor<?x1xf32, #llm.dims<[S, 1]>> {
  %x = arith.constant dense<[[10.0], [11.0], [12.0], [13.0], [14.0]]> : tensor<5x1xf32, #llm.dims<[5, 1]>>
  %y = llm.select_rows %x, %b : (tensor<5x1xf32, #llm.dims<[5, 1]>>, !llm.batch) -> tensor<?x1xf32, #llm.dims<[S, 1]>>
  return %y : tensor<?x1xf32, #llm.dims<[S, 1]>>
}
