// act(gate) * up, from two operands and from interleaved columns.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// silu(1) = 0.73106, gelu_tanh(1) = 0.84119, relu(-1) = 0.
// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 7.31059 -2.68941
// CHECK: // eval step 0 result 1 [1, 2]
// CHECK-NEXT: // 8.41192 -1.58808
// CHECK: // eval step 0 result 2 [1, 2]
// CHECK-NEXT: // 10.00000 0.00000
// Sixteen gates of 1, then the ups 0 .. 15.
// CHECK: // eval step 0 result 3 [1, 16]
// CHECK-NEXT: // 0.00000 0.73106 1.46212 2.19318 2.92423 3.65529 4.38635 5.11741 5.84847 6.57953 7.31059 8.04164 8.77270 9.50376 10.23482 10.96588
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
!both = tensor<1x32xf32, #llm.dims<[1, 32]>>
!y = tensor<1x16xf32, #llm.dims<[1, 16]>>
func.func @eval() -> (!x, !x, !x, !y) {
  %gate = arith.constant dense<[[1.0, -1.0]]> : !x
  %up = arith.constant dense<10.0> : !x
  %both = arith.constant dense<[[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0]]> : !both
  %silu = llm.glu %gate, %up {act = #llm.act_fn<silu>} : (!x, !x) -> !x
  %gelu = llm.glu %gate, %up {act = #llm.act_fn<gelu_tanh>} : (!x, !x) -> !x
  %relu = llm.glu %gate, %up {act = #llm.act_fn<relu>} : (!x, !x) -> !x
  %interleaved = llm.glu %both {act = #llm.act_fn<silu>, interleave = 16} : (!both) -> !y
  return %silu, %gelu, %relu, %interleaved : !x, !x, !x, !y
}
