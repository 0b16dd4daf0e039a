// silu, then relu, of 1 and -2: silu(1) = 0.73106, silu(-2) = -0.23841.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 0.73106 0.00000
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
func.func @eval() -> !x {
  %x = arith.constant dense<[[1.0, -2.0]]> : !x
  %s = llm.act %x {fn = #llm.act_fn<silu>} : !x
  %y = llm.act %s {fn = #llm.act_fn<relu>} : !x
  return %y : !x
}
