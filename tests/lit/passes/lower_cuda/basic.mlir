// One kernel a variant, with its launch; what is fused around a hero is in its text and leaves no kernel of its own.
// RUN: llmc-opt %s --kern-lower-cuda=arch=sm_80 | FileCheck %s
// RUN: llmc-opt %s --kern-lower-cuda=arch=sm_80 | FileCheck %s --check-prefix=ONE

!x = tensor<?x576xf32, #llm.dims<[T, 576]>>
!xb = tensor<?x576xbf16, #llm.dims<[T, 576]>>
!wn = !llm.weight<[576], #llm.q<f32>>
!b = !llm.batch

// The sum is read once, kept in registers for the norm, and the norm's result rounded as it is stored (F1).
// CHECK: // launch add_norm_any: grid (1 * T, 1, 1), 160 threads, 0 bytes of shared memory; 160 threads a row, 4 columns a load
// CHECK-NEXT: // add_norm_any: norm of kern.func @add_norm, any number of rows
// CHECK-NEXT: // from attn_norm
// CHECK-NEXT: // fused: F1
// CHECK: u64 word[6];
// CHECK: extern "C" __global__ void __launch_bounds__(160) add_norm_any(const __grid_constant__ Args args) {
// CHECK: if (row >= batch3->tokens)
// CHECK-NEXT: return;
// CHECK: load<F32, 4>(x0
// CHECK: load<F32, 4>(x1
// CHECK: // llm.add (basic.mlir:
// CHECK: blockSum<160>
// CHECK-NOT: load<F32, 4>(x
// CHECK: store<F32, 4>(out0
// CHECK: load<F32, 4>(w2
// CHECK: // llm.rmsnorm (basic.mlir:
// CHECK: // llm.cast (basic.mlir:
// CHECK-NEXT: store<BF16, 4>(out1
kern.func @add_norm(%x: !x, %y: !x, %w: !wn, %b: !b) -> (!x, !xb) attributes {hero = "norm", origin = ["attn_norm"], fused = ["F1"]} {
  %0 = llm.add %x, %y : !x
  %1 = llm.rmsnorm %0, %w {eps = 1.0e-5} : (!x, !wn) -> !x
  %2 = llm.cast %1 : (!x) -> !xb
  kern.yield %0, %2 : !x, !xb
}

// ONE-COUNT-1: __global__ void __launch_bounds__({{[0-9]+}}) add_norm_any
// ONE-NOT: @add_norm,

// Each class of rows is a kernel; rows of S are counted by S; wide rows without a sum are cut in parts.
!l = tensor<?x4096xf32, #llm.dims<[S, 4096]>>
// CHECK: // launch cap_m8: grid (1 * S, 8, 1), 128 threads
// CHECK: // cap_m8: pointwise of kern.func @cap, at most 8 rows
// CHECK: if (row >= batch1->rows)
// CHECK: tanhOf(
// CHECK: // launch cap_any: grid (1 * S, 8, 1), 128 threads
kern.func @cap(%x: !l, %b: !b) -> !l attributes {hero = "pointwise", config = [#kern.config<m_max = 8>, #kern.config<m_max = 0>]} {
  %0 = llm.softcap %x {cap = 30.0 : f64} : !l
  kern.yield %0 : !l
}

// Head norms and ropes are in the kernel that writes the cache: f32 queries out, f16 keys and values to their page.
!qkv = tensor<?x128xf32, #llm.dims<[T, 128]>>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!k = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
!wh = !llm.weight<[32], #llm.q<f32>>
!t = !llm.weight<[288, 32], #llm.q<f32>>
// CHECK: // launch write_any: grid (1 * T, 1, 1), 128 threads, 0 bytes of shared memory; a warp a head, 4 heads a block
// CHECK: // queries
// CHECK-NEXT: if (item < 2) {
// CHECK: warpSum(
// CHECK: ropeTurn<
// CHECK: store<F32, 1>(out0
// CHECK: // keys
// CHECK-NEXT: if (item >= 2 && item < 3) {
// CHECK: ropeTurn<
// CHECK: store<F16, 1>(page
// CHECK: // values
// CHECK-NEXT: if (item >= 3 && item < 4) {
// CHECK-NOT: ropeTurn<
// CHECK: store<F16, 1>(page + 1024
kern.func @write(%x: !qkv, %kv: !kv, %b: !b, %w: !wh, %t: !t) -> !q attributes {hero = "kv_write"} {
  %q = llm.slice %x {offset = 0 : i64, size = 64 : i64} : (!qkv) -> !q
  %k = llm.slice %x {offset = 64 : i64, size = 32 : i64} : (!qkv) -> !k
  %v = llm.slice %x {offset = 96 : i64, size = 32 : i64} : (!qkv) -> !k
  %qn = llm.rmsnorm %q, %w {eps = 1.0e-5, segment = 32 : i64} : (!q, !wh) -> !q
  %qr = llm.rope %qn, %b, %t {rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>, head_dim = 32 : i64} : (!q, !b, !t) -> !q
  %kr = llm.rope %k, %b, %t {rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>, head_dim = 32 : i64} : (!k, !b, !t) -> !k
  llm.kv_write %kv, %kr, %v, %b {layer = 0 : i64} : (!kv, !k, !k, !b) -> ()
  kern.yield %qr : !q
}
// CHECK: module {
// CHECK-NOT: kern.func
