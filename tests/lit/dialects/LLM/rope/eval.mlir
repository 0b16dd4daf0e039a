// Both styles, a partial rotation and scaled frequencies, at position 2.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=2 steps=1" | FileCheck %s

// theta 4, dim 4: frequencies 1 and 1/2, so at position 2 the angles are 2 and 1. cos 2 = -0.41615, sin 2 = 0.90930, cos 1 = 0.54030, sin 1 = 0.84147.
// neox rotates (1, 3) by 2 and (2, 4) by 1.
// CHECK: // eval step 0 result 0 [1, 4]
// CHECK-NEXT: // -3.14404 -2.28528 -0.33914 3.84415
// gptj rotates (1, 2) by 2 and (3, 4) by 1.
// CHECK: // eval step 0 result 1 [1, 4]
// CHECK-NEXT: // -2.23474 0.07700 -1.74498 4.68562
// dim 2 of a head of 4: only (1, 2), by 2.
// CHECK: // eval step 0 result 2 [1, 4]
// CHECK-NEXT: // -2.23474 0.07700 3.00000 4.00000
// linear scaling by 2, dim 2: (1, 2) by 1.
// CHECK: // eval step 0 result 3 [1, 4]
// CHECK-NEXT: // -1.14264 1.92208 3.00000 4.00000
// llama3 with an original context of 1: the wavelength 2 pi is longer than original/low, so f/8; (1, 2) by 0.25.
// CHECK: // eval step 0 result 4 [1, 4]
// CHECK-NEXT: // 0.47410 2.18523 3.00000 4.00000
!x = tensor<1x4xf32, #llm.dims<[1, 4]>>
func.func @eval(%b: !llm.batch) -> (!x, !x, !x, !x, !x) {
  %x = arith.constant dense<[[1.0, 2.0, 3.0, 4.0]]> : !x
  %neox = llm.rope %x, %b {head_dim = 4, rope = #llm.rope<theta = 4.0, dim = 4, style = neox, scaling = none>} : (!x, !llm.batch) -> !x
  %gptj = llm.rope %x, %b {head_dim = 4, rope = #llm.rope<theta = 4.0, dim = 4, style = gptj, scaling = none>} : (!x, !llm.batch) -> !x
  %part = llm.rope %x, %b {head_dim = 4, rope = #llm.rope<theta = 4.0, dim = 2, style = neox, scaling = none>} : (!x, !llm.batch) -> !x
  %linear = llm.rope %x, %b {head_dim = 4, rope = #llm.rope<theta = 4.0, dim = 2, style = neox, scaling = linear<2>>} : (!x, !llm.batch) -> !x
  %llama3 = llm.rope %x, %b {head_dim = 4, rope = #llm.rope<theta = 4.0, dim = 2, style = neox, scaling = llama3<8, 1, 4, 1>>} : (!x, !llm.batch) -> !x
  return %neox, %gptj, %part, %linear, %llama3 : !x, !x, !x, !x, !x
}
