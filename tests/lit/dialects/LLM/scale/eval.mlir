// Every element times the factor.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 0.50000 -1.00000
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
func.func @eval() -> !x {
  %x = arith.constant dense<[[1.0, -2.0]]> : !x
  %y = llm.scale %x {factor = 0.5} : !x
  return %y : !x
}
