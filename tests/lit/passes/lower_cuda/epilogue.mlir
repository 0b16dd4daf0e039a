// What is fused behind a product is printed inside its kernel, on its sums; nothing of it is stored in between.
// RUN: llmc-opt %s --kern-lower-cuda=arch=sm_90a | FileCheck %s

!x = tensor<?x64xbf16, #llm.dims<[T, 64]>>
!gu = tensor<?x64xf32, #llm.dims<[T, 64]>>
!h = tensor<?x32xf32, #llm.dims<[T, 32]>>
!hb = tensor<?x32xbf16, #llm.dims<[T, 32]>>
!w = !llm.weight<[64, 64], #llm.q<i4, 32, sym>>
#silu = #llm.act_fn<silu>

// CHECK: // launch gate_up_m8:
// CHECK: using Layout = Q4M16K64;
// CHECK: // gate_up_m8: linear of kern.func @gate_up, at most 8 rows
// CHECK: // fused: F4
// CHECK: __global__ void {{.*}} gate_up_m8(const __grid_constant__ Args args)
// CHECK: // llm.glu (epilogue.mlir:
// CHECK-NEXT: const float glu_0 = silu({{.*}}) * {{.*}};
// CHECK: // llm.cast (epilogue.mlir:
// CHECK-NEXT: store<BF16, {{[0-9]}}>(out0
// CHECK-NOT: store<F32
kern.func @gate_up(%x: !x, %w: !w, %b: !llm.batch) -> !hb attributes {hero = "linear", fused = ["F4"], config = [#kern.config<m_max = 8>]} {
  %0 = llm.linear %x, %w : (!x, !w) -> !gu
  %1 = llm.glu %0 {act = #silu, interleave = 16} : (!gu) -> !h
  %2 = llm.cast %1 : (!h) -> !hb
  kern.yield %2 : !hb
}

// CHECK: // launch down_any:
// CHECK: load<F32, {{[0-9]}}>(x2
// CHECK: // llm.add (epilogue.mlir:
// CHECK: store<F32, {{[0-9]}}>(out0
kern.func @down(%x: !x, %w: !w, %r: !gu, %b: !llm.batch) -> !gu attributes {hero = "linear", fused = ["F3"]} {
  %0 = llm.linear %x, %w : (!x, !w) -> !gu
  %1 = llm.add %0, %r : !gu
  kern.yield %1 : !gu
}

// CHECK: // launch attention_any:
// CHECK: // llm.cast (epilogue.mlir:
// CHECK: store<BF16, 2>(out0
!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
kern.func @attention(%q: !gu, %kv: !kv, %b: !llm.batch) -> !x attributes {hero = "attend", fused = ["F6"]} {
  %0 = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!gu, !kv, !llm.batch) -> !gu
  %1 = llm.cast %0 : (!gu) -> !x
  kern.yield %1 : !x
}
