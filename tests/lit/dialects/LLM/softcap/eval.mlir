// 2 tanh(1/2) and 2 tanh(-1).
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 0.92423 -1.52319
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
func.func @eval() -> !x {
  %x = arith.constant dense<[[1.0, -2.0]]> : !x
  %y = llm.softcap %x {cap = 2.0} : !x
  return %y : !x
}
