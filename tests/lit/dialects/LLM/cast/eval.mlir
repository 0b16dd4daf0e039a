// Rounding to f16 and bf16, ties to even.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1 exact=false" | FileCheck %s

// Above 2048 f16 has steps of 2; above 256 bf16 has steps of 2.
// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 2048.00000 2052.00000
// CHECK: // eval step 0 result 1 [1, 2]
// CHECK-NEXT: // 256.00000 260.00000
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
!h = tensor<1x2xf16, #llm.dims<[1, 2]>>
!b = tensor<1x2xbf16, #llm.dims<[1, 2]>>
func.func @eval() -> (!h, !b) {
  %x = arith.constant dense<[[2049.0, 2051.0]]> : !x
  %z = arith.constant dense<[[257.0, 259.0]]> : !x
  %h = llm.cast %x : (!x) -> !h
  %b = llm.cast %z : (!x) -> !b
  return %h, %b : !h, !b
}
