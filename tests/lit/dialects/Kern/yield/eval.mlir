// Results come out in the order in which they are yielded, an argument among them.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 11.00000 18.00000
// CHECK: // eval step 0 result 1 [1, 2]
// CHECK-NEXT: // 1.00000 -2.00000
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
func.func @eval() -> (!x, !x) {
  %x = arith.constant dense<[[1.0, -2.0]]> : !x
  %z = arith.constant dense<[[10.0, 20.0]]> : !x
  %a, %y = kern.dispatch "pointwise" (%bz = %z : !x, %bx = %x : !x) -> (!x, !x) {
    %s = llm.add %bx, %bz : !x
    kern.yield %bx, %s : !x, !x
  }
  return %y, %a : !x, !x
}
