// Without requests the column of the first largest tile; -1 where a logit is not finite.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [3, 1]
// CHECK-NEXT: // 4.00000
// CHECK-NEXT: // 1.00000
// CHECK-NEXT: // -1.00000
!l = tensor<3x5xf32, #llm.dims<[3, 5]>>
!a = tensor<3x4xf32, #llm.dims<[3, 4]>>
func.func @eval(%b: !llm.batch) -> tensor<3x1xf32, #llm.dims<[3, 1]>> {
  %x = arith.constant dense<[[1.0, 2.0, 3.0, 1.0, 8.0], [1.0, 9.0, 9.0, 9.0, 9.0], [-1.0, -2.0, -3.0, 7.0, 0x7FC00000]]> : !l
  %a = llm.argmax %x {tile = 3 : i64} : (!l) -> !a
  %t = llm.sample %x, %a, %b : (!l, !a, !llm.batch) -> tensor<3x1xf32, #llm.dims<[3, 1]>>
  return %t : tensor<3x1xf32, #llm.dims<[3, 1]>>
}
