// An unknown architecture names those there are; an op without code is named, with the reason.
// RUN: not llmc-opt %s --split-input-file --kern-lower-cuda=arch=sm_75 2>&1 | FileCheck %s --check-prefix=ARCH
// RUN: not llmc-opt %s --split-input-file --kern-lower-cuda 2>&1 | FileCheck %s
// ARCH: expected arch to be one of sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_120a, found 'sm_75'

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!q = !llm.qact<[T, 64], zero = 8>
// CHECK: 'llm.quantize' op has no code on CUDA here: its result '!llm.qact<[T, 64], zero = 8>' is not rows of f32, f16 or bf16
kern.func @quantize(%x: !x, %b: !llm.batch) -> !q attributes {hero = "pointwise"} {
  %0 = llm.quantize %x : (!x) -> !q
  kern.yield %0 : !q
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x16xf32, #llm.dims<[T, 16]>>
!w = !llm.weight<[16, 64], #llm.q<f32>>
// CHECK: 'llm.linear' op has no code on CUDA here: it is not a row operation
kern.func @product(%x: !x, %w: !w, %b: !llm.batch) -> !y attributes {hero = "pointwise"} {
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  kern.yield %0 : !y
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[100, 64], #llm.q<f32>>
// CHECK: 'llm.embed' op has no code on CUDA here: f32 and e4m3 tables have no look-up on this target
kern.func @embed(%b: !llm.batch, %w: !w) -> !x attributes {hero = "embed"} {
  %0 = llm.embed %b, %w : (!llm.batch, !w) -> !x
  kern.yield %0 : !x
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
// CHECK: 'llm.rope' op has no code on CUDA here: it has no table of angles
kern.func @rope(%x: !x, %b: !llm.batch) -> !x attributes {hero = "pointwise"} {
  %0 = llm.rope %x, %b {rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>, head_dim = 32 : i64} : (!x, !llm.batch) -> !x
  kern.yield %0 : !x
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
// CHECK: a kernel with T rows needs a !llm.batch argument
kern.func @rows(%x: !x) -> !x attributes {hero = "pointwise"} {
  %0 = llm.add %x, %x : !x
  kern.yield %0 : !x
}

// -----

!k = tensor<?x16xf32, #llm.dims<[T, 16]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16, kind = f32>
// CHECK: 'llm.kv_write' op has no code on CUDA for a cache of f32: expected f16, bf16, i8 or e4m3
kern.func @write_f32(%k: !k, %kv: !kv, %b: !llm.batch) attributes {hero = "kv_write"} {
  llm.kv_write %kv, %k, %k, %b {layer = 0 : i64} : (!kv, !k, !k, !llm.batch) -> ()
  kern.yield
}

// -----

!q = tensor<?x16xf32, #llm.dims<[T, 16]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16, kind = f32>
// CHECK: 'llm.attend' op has no code on CUDA for a cache of f32: expected f16, bf16, i8 or e4m3
kern.func @attend_f32(%q: !q, %kv: !kv, %b: !llm.batch) -> !q attributes {hero = "attend"} {
  %y = llm.attend %q, %kv, %b {layer = 0 : i64, heads = 1 : i64, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  kern.yield %y : !q
}

// -----

!k = tensor<?x24xf32, #llm.dims<[T, 24]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 24, page = 16>
// CHECK: 'llm.kv_write' op has no code on CUDA here: heads must be a multiple of 16 columns, pages 16 tokens
kern.func @write(%k: !k, %kv: !kv, %b: !llm.batch) attributes {hero = "kv_write"} {
  llm.kv_write %kv, %k, %k, %b {layer = 0 : i64} : (!kv, !k, !k, !llm.batch) -> ()
  kern.yield
}
