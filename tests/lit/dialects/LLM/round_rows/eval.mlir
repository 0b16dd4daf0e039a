// 8-bit floats with one scale a row, as a value and as the x of a product with e4m3 weights; exact mode keeps the input.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1 exact=false" | FileCheck %s --check-prefixes=CHECK,ROUND
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1" | FileCheck %s --check-prefixes=CHECK,EXACT

// The largest value 448 makes the scale 1: 1.0625 lies between 1 and 1.125 and goes to the even one, 300 goes to 288, steps being 32 there.
// CHECK: // eval step 0 result 0 [1, 4]
// ROUND-NEXT: // 448.00000 1.00000 -288.00000 0.00195
// EXACT-NEXT: // 448.00000 1.06250 -300.00000 0.00200
// CHECK: // eval step 0 result 1 [1, 4]
// ROUND-NEXT: // 448.00000 1.00000 -288.00000 0.00195
// EXACT-NEXT: // 448.00000 1.06250 -300.00000 0.00200
!x = tensor<1x4xf32, #llm.dims<[1, 4]>>
!q = !llm.qact<[1, 4], e4m3>
!w = !llm.weight<[4, 4], #llm.q<e4m3>>
func.func @eval() -> (!x, !x) {
  %x = arith.constant dense<[[448.0, 1.0625, -300.0, 0.002]]> : !x
  %r = llm.round_rows %x : (!x) -> !x
  %q = llm.quantize %x : (!x) -> !q
  %w = llm.use @identity : !w
  %y = llm.linear %q, %w : (!q, !w) -> !x
  return %r, %y : !x, !x
}
llm.weight @identity : !w {sources = [#llm.source<"i", rows = 4>], llm.literal = dense<[
  [1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]]> : tensor<4x4xf64>}
