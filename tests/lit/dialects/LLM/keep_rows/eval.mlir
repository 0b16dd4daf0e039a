// The batch of the evaluation asks for all rows (which rows a batch leaves out: tests/unit/dialects/Reference).
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=2 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [2, 1]
// CHECK-NEXT: // 10.00000
// CHECK-NEXT: // 11.00000
func.func @eval(%b: !llm.batch) -> tensor<2x1xf32, #llm.dims<[2, 1]>> {
  %x = arith.constant dense<[[10.0], [11.0]]> : tensor<2x1xf32, #llm.dims<[2, 1]>>
  %y = llm.keep_rows %x, %b : (tensor<2x1xf32, #llm.dims<[2, 1]>>, !llm.batch) -> tensor<2x1xf32, #llm.dims<[2, 1]>>
  return %y : tensor<2x1xf32, #llm.dims<[2, 1]>>
}
