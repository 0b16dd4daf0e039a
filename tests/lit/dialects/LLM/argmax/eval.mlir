// Of each tile the largest column, the first of equal ones; then the columns. The last tile is short. What is not finite is +inf.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [3, 4]
// CHECK-NEXT: // 3.00000 1.00000 2.00000 3.00000
// CHECK-NEXT: // 9.00000 9.00000 1.00000 3.00000
// CHECK-NEXT: // -1.00000 inf 0.00000 4.00000
func.func @eval() -> tensor<3x4xf32, #llm.dims<[3, 4]>> {
  %x = arith.constant dense<[[1.0, 2.0, 3.0, 1.0, 0.0], [1.0, 9.0, 9.0, 9.0, 9.0], [-1.0, -2.0, -3.0, 7.0, 0x7FC00000]]> : tensor<3x5xf32, #llm.dims<[3, 5]>>
  %y = llm.argmax %x {tile = 3 : i64} : (tensor<3x5xf32, #llm.dims<[3, 5]>>) -> tensor<3x4xf32, #llm.dims<[3, 4]>>
  return %y : tensor<3x4xf32, #llm.dims<[3, 4]>>
}
