// Steps of max/127 with ties to even; exact mode keeps the input.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1 exact=false" | FileCheck %s --check-prefixes=CHECK,ROUND
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1" | FileCheck %s --check-prefixes=CHECK,EXACT

// The largest value 127 makes the step 1: 0.4 -> 0, 0.5 -> 0, 1.5 -> 2, -2.5 -> -2, 3.6 -> 4.
// CHECK: // eval step 0 result 0 [1, 6]
// ROUND-NEXT: // 127.00000 0.00000 0.00000 2.00000 -2.00000 4.00000
// EXACT-NEXT: // 127.00000 0.40000 0.50000 1.50000 -2.50000 3.60000
!x = tensor<1x6xf32, #llm.dims<[1, 6]>>
func.func @eval() -> !x {
  %x = arith.constant dense<[[127.0, 0.4, 0.5, 1.5, -2.5, 3.6]]> : !x
  %q = llm.quantize %x : (!x) -> !llm.qact<[1, 6], zero = 8>
  %w = llm.use @identity : !llm.weight<[6, 6], #llm.q<i4, 32, sym>>
  %y = llm.linear %q, %w : (!llm.qact<[1, 6], zero = 8>, !llm.weight<[6, 6], #llm.q<i4, 32, sym>>) -> !x
  return %y : !x
}
llm.weight @identity : !llm.weight<[6, 6], #llm.q<i4, 32, sym>> {sources = [#llm.source<"i", rows = 6>], llm.literal = dense<[
  [1., 0., 0., 0., 0., 0.], [0., 1., 0., 0., 0., 0.], [0., 0., 1., 0., 0., 0.],
  [0., 0., 0., 1., 0., 0.], [0., 0., 0., 0., 1., 0.], [0., 0., 0., 0., 0., 1.]]> : tensor<6x6xf64>}
