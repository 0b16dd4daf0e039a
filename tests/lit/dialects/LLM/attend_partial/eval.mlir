// Sums, maximum and denominator of each split; splits past the context are empty.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=64 steps=1" | FileCheck %s

// 65 tokens in 2 splits: U = max(64, roundUp(33, 16)) = 64. The 64 older entries are zero: 64 scores 0. The new key 2 scores 2.
// CHECK: // eval step 0 result 0 [1, 6]
// CHECK-NEXT: // 0.00000 0.00000 64.00000 3.00000 2.00000 1.00000
// In 3 splits the third is empty.
// CHECK: // eval step 0 result 1 [1, 9]
// CHECK-NEXT: // 0.00000 0.00000 64.00000 3.00000 2.00000 1.00000 0.00000 -inf 0.00000
!kv = !llm.kv<layers = 1, heads = 1, dim = 1, page = 16>
!k = tensor<1x1xf32, #llm.dims<[1, 1]>>
!two = tensor<1x6xf32, #llm.dims<[1, 6]>>
!three = tensor<1x9xf32, #llm.dims<[1, 9]>>
func.func @eval(%b: !llm.batch, %kv: !kv) -> (!two, !three) {
  %q = arith.constant dense<[[1.0]]> : !k
  %k = arith.constant dense<[[2.0]]> : !k
  %v = arith.constant dense<[[3.0]]> : !k
  llm.kv_write %kv, %k, %v, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %two = llm.attend_partial %q, %kv, %b {layer = 0, heads = 1, scale = 1.0, splits = 2} : (!k, !kv, !llm.batch) -> !two
  %three = llm.attend_partial %q, %kv, %b {layer = 0, heads = 1, scale = 1.0, splits = 3} : (!k, !kv, !llm.batch) -> !three
  return %two, %three : !two, !three
}
