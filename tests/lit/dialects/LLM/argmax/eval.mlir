// The largest column; the first of two equal ones.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [3, 1]
// CHECK-NEXT: // 2.00000
// CHECK-NEXT: // 1.00000
// CHECK-NEXT: // 0.00000
func.func @eval() -> tensor<3xi32, #llm.dims<[3]>> {
  %x = arith.constant dense<[[1.0, 2.0, 3.0], [1.0, 9.0, 9.0], [-1.0, -2.0, -3.0]]> : tensor<3x3xf32, #llm.dims<[3, 3]>>
  %y = llm.argmax %x : (tensor<3x3xf32, #llm.dims<[3, 3]>>) -> tensor<3xi32, #llm.dims<[3]>>
  return %y : tensor<3xi32, #llm.dims<[3]>>
}
