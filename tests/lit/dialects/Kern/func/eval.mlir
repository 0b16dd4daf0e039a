// A kernel is run on the operands of its call, as often as it is called.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// 3 (x + w) + w with x = (1, -2) and w = (10, 20).
// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 43.00000 74.00000
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
kern.func @add(%x: !x, %w: !x, %b: !llm.batch) -> !x attributes {hero = "pointwise"} {
  %s = llm.add %x, %w : !x
  kern.yield %s : !x
}
func.func @eval(%b: !llm.batch) -> !x {
  %x = arith.constant dense<[[1.0, -2.0]]> : !x
  %w = arith.constant dense<[[10.0, 20.0]]> : !x
  %once = kern.call @add(%x, %w, %b) : (!x, !x, !llm.batch) -> !x
  %twice = kern.call @add(%once, %once, %b) : (!x, !x, !llm.batch) -> !x
  %third = kern.call @add(%twice, %once, %b) : (!x, !x, !llm.batch) -> !x
  %last = kern.call @add(%third, %w, %b) : (!x, !x, !llm.batch) -> !x
  return %last : !x
}
