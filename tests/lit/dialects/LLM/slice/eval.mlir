// Columns 1 and 2 of each row.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [2, 2]
// CHECK-NEXT: // 2.00000 3.00000
// CHECK-NEXT: // 6.00000 7.00000
func.func @eval() -> tensor<2x2xf32, #llm.dims<[2, 2]>> {
  %x = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32, #llm.dims<[2, 4]>>
  %y = llm.slice %x {offset = 1, size = 2} : (tensor<2x4xf32, #llm.dims<[2, 4]>>) -> tensor<2x2xf32, #llm.dims<[2, 2]>>
  return %y : tensor<2x2xf32, #llm.dims<[2, 2]>>
}
