// What is written comes back: one key is attended to with weight 1; as the cache's type keeps it unless exact.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1 exact=false" | FileCheck %s --check-prefixes=CHECK,ROUND
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1" | FileCheck %s --check-prefixes=CHECK,EXACT

// RUN: sed 's/page = 16>/page = 16, kind = i8>/' %s | llmc-opt --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1 exact=false" | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: sed 's/page = 16>/page = 16, kind = bf16>/' %s | llmc-opt --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1 exact=false" | FileCheck %s --check-prefixes=CHECK,BF16

// RUN: sed 's/page = 16>/page = 16, kind = f32>/; s/2049.0/16777217.0/' %s | llmc-opt --llm-evaluate="function=eval full=true tokens=1 sequences=1 steps=1 exact=false" | FileCheck %s --check-prefixes=CHECK,F32

// CHECK: // eval step 0 result 0 [1, 2]
// F32-NEXT: // 1.00000 16777216.00000
// INT8-NEXT: // 0.00000 2048.99993
// BF16-NEXT: // 1.00000 2048.00000
// ROUND-NEXT: // 1.00000 2048.00000
// EXACT-NEXT: // 1.00000 2049.00000
!kv = !llm.kv<layers = 1, heads = 1, dim = 2, page = 16>
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
func.func @eval(%b: !llm.batch, %kv: !kv) -> !x {
  %v = arith.constant dense<[[1.0, 2049.0]]> : !x
  llm.kv_write %kv, %v, %v, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  %y = llm.attend %v, %kv, %b {layer = 0, heads = 1, scale = 1.0} : (!x, !kv, !llm.batch) -> !x
  return %y : !x
}
