// Causal attention with shared heads, a window and a soft cap, on three tokens.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=3 sequences=1 past=0 steps=1" | FileCheck %s

// All keys are equal, so weights are: row t is the mean of values 0..t, for both query heads.
// CHECK: // eval step 0 result 0 [3, 2]
// CHECK-NEXT: // 1.00000 1.00000
// CHECK-NEXT: // 1.50000 1.50000
// CHECK-NEXT: // 2.66667 2.66667
// A window of 2 keeps the last two.
// CHECK: // eval step 0 result 1 [3, 2]
// CHECK-NEXT: // 1.00000 1.00000
// CHECK-NEXT: // 1.50000 1.50000
// CHECK-NEXT: // 3.50000 3.50000
// Head 0 asks with 1, head 1 with -1, layer 1 has keys 0, 0, ln 2: weights 1:1:2 and 1:1:1/2 on the values 1, 2, 5.
// CHECK: // eval step 0 result 2 [3, 2]
// CHECK-NEXT: // 1.00000 1.00000
// CHECK-NEXT: // 1.50000 1.50000
// CHECK-NEXT: // 3.25000 2.20000
// With scale 1000 and a soft cap of ln 2 the last key has score +-ln 2: the same weights.
// CHECK: // eval step 0 result 3 [3, 2]
// CHECK-NEXT: // 1.00000 1.00000
// CHECK-NEXT: // 1.50000 1.50000
// CHECK-NEXT: // 3.25000 2.20000
// bf16_products changes what a CPU may round, not the value: 1/3 * (1 + 2 + 5.0039) in all digits.
// CHECK: // eval step 0 result 4 [3, 2]
// CHECK-NEXT: // 1.00000 1.00000
// CHECK-NEXT: // 1.50000 1.50000
// CHECK-NEXT: // 2.66797 2.66797
// Sinks 0 and ln 2 on layer 1: one more in the sums of weights of head 0, two more in those of head 1.
// CHECK: // eval step 0 result 5 [3, 2]
// CHECK-NEXT: // 0.50000 0.33333
// CHECK-NEXT: // 1.00000 0.75000
// CHECK-NEXT: // 2.60000 1.22222
!kv = !llm.kv<layers = 2, heads = 1, dim = 1, page = 2>
!s = !llm.weight<[2], #llm.q<f32>>
llm.weight @s : !s {sources = [#llm.source<"s", rows = 2>], llm.literal = dense<[0.0, 0.69314718056]> : tensor<2xf64>}
!k = tensor<3x1xf32, #llm.dims<[3, 1]>>
!q = tensor<3x2xf32, #llm.dims<[3, 2]>>
func.func @eval(%b: !llm.batch, %kv: !kv) -> (!q, !q, !q, !q, !q, !q) {
  %q = arith.constant dense<[[1.0, -1.0], [1.0, -1.0], [1.0, -1.0]]> : !q
  %equal = arith.constant dense<[[3.0], [3.0], [3.0]]> : !k
  %k = arith.constant dense<[[0.0], [0.0], [0.69314718056]]> : !k
  %v = arith.constant dense<[[1.0], [2.0], [5.0]]> : !k
  llm.kv_write %kv, %equal, %v, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  llm.kv_write %kv, %k, %v, %b {layer = 1} : (!kv, !k, !k, !llm.batch) -> ()
  %mean = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 1.0} : (!q, !kv, !llm.batch) -> !q
  %window = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 1.0, window = 2} : (!q, !kv, !llm.batch) -> !q
  %signed = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 1.0} : (!q, !kv, !llm.batch) -> !q
  %capped = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 1000.0, softcap = 0.69314718056} : (!q, !kv, !llm.batch) -> !q
  %fine = arith.constant dense<[[1.0], [2.0], [5.00390625]]> : !k
  llm.kv_write %kv, %equal, %fine, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %rounded = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 1.0, bf16_products} : (!q, !kv, !llm.batch) -> !q
  %s = llm.use @s : !s
  %sunk = llm.attend %q, %kv, %b, %s {layer = 1, heads = 2, scale = 1.0} : (!q, !kv, !llm.batch, !s) -> !q
  return %mean, %window, %signed, %capped, %rounded, %sunk : !q, !q, !q, !q, !q, !q
}
