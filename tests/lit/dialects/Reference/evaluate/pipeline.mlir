// A two-layer model (biases in one layer, head norms in the other, shared heads) computes the same after every pass of the pipeline.
// RUN: llmc-opt %s --llm-evaluate="sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-evaluate="function=forward sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-evaluate="function=forward sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-add-rope-table --llm-split-programs --cse --llm-evaluate="function=decode sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-add-rope-table --llm-split-programs --cse --llm-evaluate="function=mixed sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-add-rope-table --llm-split-programs --cse --kern-form-kernels --llm-evaluate="function=decode sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-add-rope-table --llm-split-programs --cse --kern-form-kernels --llm-evaluate="function=mixed sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-add-rope-table --llm-split-programs --cse --kern-form-kernels --kern-form-fallback --kern-dedup --llm-evaluate="function=decode sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-add-rope-table --llm-split-programs --cse --kern-form-kernels --kern-form-fallback --kern-dedup --llm-evaluate="function=mixed sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-add-rope-table --llm-split-programs --cse --kern-form-kernels --kern-form-fallback --kern-dedup --kern-select-config --kern-assign-layout --llm-evaluate="function=decode sample-all=true" -o /dev/null | FileCheck %s
// RUN: llmc-opt %s --llm-verify-model --canonicalize --llm-fuse-horizontal --llm-quantize="scheme=w4" --llm-insert-select-rows --llm-choose-kv-layout --llm-add-rope-table --llm-split-programs --cse --kern-form-kernels --kern-form-fallback --kern-dedup --kern-select-config --kern-assign-layout --llm-evaluate="function=mixed sample-all=true" -o /dev/null | FileCheck %s

// CHECK: step 0 result 0 [7, 80]
// CHECK-NEXT: //   row 0: -0.84078 0.36053 -0.61451 1.81302
// CHECK-NEXT: //   row 1: -0.66207 0.30409 -0.26975 0.07316
// CHECK-NEXT: //   row 2: -0.12314 0.09721 -0.00472 0.31730
// CHECK-NEXT: //   row 3: -0.94540 -2.27367 0.91732 1.96439
// CHECK-NEXT: //   row 4: -0.48368 -1.65076 0.79997 2.72109
// CHECK-NEXT: //   row 5: -1.68120 -1.69318 -0.19018 2.70353
// CHECK-NEXT: //   row 6: -1.07006 -1.92093 0.63553 1.25644
// CHECK-NEXT: //   sum -95.87823 norm 26.00465
// CHECK: step 1 result 0 [2, 80]
// CHECK-NEXT: //   row 0: -0.38087 -0.79221 -0.85212 0.45410
// CHECK-NEXT: //   row 1: -2.09509 -1.24036 -0.46050 1.54232
// CHECK-NEXT: //   sum -22.08648 norm 13.92643

!t32 = tensor<?x32xf32, #llm.dims<[T, 32]>>
!t64 = tensor<?x64xf32, #llm.dims<[T, 64]>>
!t80 = tensor<?x80xf32, #llm.dims<[T, 80]>>
!t96 = tensor<?x96xf32, #llm.dims<[T, 96]>>
!w64 = !llm.weight<[64], #llm.q<f32>>
!w64x64 = !llm.weight<[64, 64], #llm.q<bf16>>
!w32x64 = !llm.weight<[32, 64], #llm.q<bf16>>
!w96x64 = !llm.weight<[96, 64], #llm.q<bf16>>
!w64x96 = !llm.weight<[64, 96], #llm.q<bf16>>
!w32 = !llm.weight<[32], #llm.q<f32>>
!w16 = !llm.weight<[16], #llm.q<f32>>
!w80x64 = !llm.weight<[80, 64], #llm.q<bf16>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 16, page = 1>
#rope = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>
module attributes {llmc.max_positions = 512 : i64} {
llm.weight @an0 : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"an0", rows = 64>]}
llm.weight @q0 : !llm.weight<[64, 64], #llm.q<bf16>> {sources = [#llm.source<"q0", rows = 64>]}
llm.weight @k0 : !llm.weight<[32, 64], #llm.q<bf16>> {sources = [#llm.source<"k0", rows = 32>]}
llm.weight @v0 : !llm.weight<[32, 64], #llm.q<bf16>> {sources = [#llm.source<"v0", rows = 32>]}
llm.weight @o0 : !llm.weight<[64, 64], #llm.q<bf16>> {sources = [#llm.source<"o0", rows = 64>]}
llm.weight @fn0 : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"fn0", rows = 64>]}
llm.weight @g0 : !llm.weight<[96, 64], #llm.q<bf16>> {sources = [#llm.source<"g0", rows = 96>]}
llm.weight @u0 : !llm.weight<[96, 64], #llm.q<bf16>> {sources = [#llm.source<"u0", rows = 96>]}
llm.weight @d0 : !llm.weight<[64, 96], #llm.q<bf16>> {sources = [#llm.source<"d0", rows = 64>]}
llm.weight @bq0 : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"bq0", rows = 64>]}
llm.weight @bk0 : !llm.weight<[32], #llm.q<f32>> {sources = [#llm.source<"bk0", rows = 32>]}
llm.weight @bv0 : !llm.weight<[32], #llm.q<f32>> {sources = [#llm.source<"bv0", rows = 32>]}
llm.weight @an1 : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"an1", rows = 64>]}
llm.weight @q1 : !llm.weight<[64, 64], #llm.q<bf16>> {sources = [#llm.source<"q1", rows = 64>]}
llm.weight @k1 : !llm.weight<[32, 64], #llm.q<bf16>> {sources = [#llm.source<"k1", rows = 32>]}
llm.weight @v1 : !llm.weight<[32, 64], #llm.q<bf16>> {sources = [#llm.source<"v1", rows = 32>]}
llm.weight @o1 : !llm.weight<[64, 64], #llm.q<bf16>> {sources = [#llm.source<"o1", rows = 64>]}
llm.weight @fn1 : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"fn1", rows = 64>]}
llm.weight @g1 : !llm.weight<[96, 64], #llm.q<bf16>> {sources = [#llm.source<"g1", rows = 96>]}
llm.weight @u1 : !llm.weight<[96, 64], #llm.q<bf16>> {sources = [#llm.source<"u1", rows = 96>]}
llm.weight @d1 : !llm.weight<[64, 96], #llm.q<bf16>> {sources = [#llm.source<"d1", rows = 64>]}
llm.weight @qn1 : !llm.weight<[16], #llm.q<f32>> {sources = [#llm.source<"qn1", rows = 16>]}
llm.weight @kn1 : !llm.weight<[16], #llm.q<f32>> {sources = [#llm.source<"kn1", rows = 16>]}
llm.weight @emb : !llm.weight<[80, 64], #llm.q<bf16>> {sources = [#llm.source<"emb", rows = 80>]}
llm.weight @norm : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"norm", rows = 64>]}
func.func @forward(%b: !llm.batch, %kv: !kv) -> !t80 {
  %an0 = llm.use @an0 : !w64
  %q0 = llm.use @q0 : !w64x64
  %k0 = llm.use @k0 : !w32x64
  %v0 = llm.use @v0 : !w32x64
  %o0 = llm.use @o0 : !w64x64
  %fn0 = llm.use @fn0 : !w64
  %g0 = llm.use @g0 : !w96x64
  %u0 = llm.use @u0 : !w96x64
  %d0 = llm.use @d0 : !w64x96
  %bq0 = llm.use @bq0 : !w64
  %bk0 = llm.use @bk0 : !w32
  %bv0 = llm.use @bv0 : !w32
  %an1 = llm.use @an1 : !w64
  %q1 = llm.use @q1 : !w64x64
  %k1 = llm.use @k1 : !w32x64
  %v1 = llm.use @v1 : !w32x64
  %o1 = llm.use @o1 : !w64x64
  %fn1 = llm.use @fn1 : !w64
  %g1 = llm.use @g1 : !w96x64
  %u1 = llm.use @u1 : !w96x64
  %d1 = llm.use @d1 : !w64x96
  %qn1 = llm.use @qn1 : !w16
  %kn1 = llm.use @kn1 : !w16
  %emb = llm.use @emb : !w80x64
  %norm = llm.use @norm : !w64
  %x0 = llm.embed %b, %emb {scale = 4.0} : (!llm.batch, !w80x64) -> !t64
  %h0 = llm.rmsnorm %x0, %an0 {eps = 1.0e-5} : (!t64, !w64) -> !t64
  %pq0 = llm.linear %h0, %q0, %bq0 : (!t64, !w64x64, !w64) -> !t64
  %pk0 = llm.linear %h0, %k0, %bk0 : (!t64, !w32x64, !w32) -> !t32
  %pv0 = llm.linear %h0, %v0, %bv0 : (!t64, !w32x64, !w32) -> !t32
  %rq0 = llm.rope %pq0, %b {rope = #rope, head_dim = 16} : (!t64, !llm.batch) -> !t64
  %rk0 = llm.rope %pk0, %b {rope = #rope, head_dim = 16} : (!t32, !llm.batch) -> !t32
  llm.kv_write %kv, %rk0, %pv0, %b {layer = 0} : (!kv, !t32, !t32, !llm.batch) -> ()
  %a0 = llm.attend %rq0, %kv, %b {layer = 0, heads = 4, scale = 0.25} : (!t64, !kv, !llm.batch) -> !t64
  %po0 = llm.linear %a0, %o0 : (!t64, !w64x64) -> !t64
  %y0 = llm.add %x0, %po0 : !t64
  %m0 = llm.rmsnorm %y0, %fn0 {eps = 1.0e-5} : (!t64, !w64) -> !t64
  %pg0 = llm.linear %m0, %g0 : (!t64, !w96x64) -> !t96
  %pu0 = llm.linear %m0, %u0 : (!t64, !w96x64) -> !t96
  %s0 = llm.glu %pg0, %pu0 {act = #llm.act_fn<silu>} : (!t96, !t96) -> !t96
  %pd0 = llm.linear %s0, %d0 : (!t96, !w64x96) -> !t64
  %z0 = llm.add %y0, %pd0 : !t64
  %h1 = llm.rmsnorm %z0, %an1 {eps = 1.0e-5} : (!t64, !w64) -> !t64
  %pq1 = llm.linear %h1, %q1 : (!t64, !w64x64) -> !t64
  %pk1 = llm.linear %h1, %k1 : (!t64, !w32x64) -> !t32
  %pv1 = llm.linear %h1, %v1 : (!t64, !w32x64) -> !t32
  %nq = llm.rmsnorm %pq1, %qn1 {eps = 1.0e-6, segment = 16} : (!t64, !w16) -> !t64
  %nk = llm.rmsnorm %pk1, %kn1 {eps = 1.0e-6, segment = 16} : (!t32, !w16) -> !t32
  %rq1 = llm.rope %nq, %b {rope = #rope, head_dim = 16} : (!t64, !llm.batch) -> !t64
  %rk1 = llm.rope %nk, %b {rope = #rope, head_dim = 16} : (!t32, !llm.batch) -> !t32
  llm.kv_write %kv, %rk1, %pv1, %b {layer = 1} : (!kv, !t32, !t32, !llm.batch) -> ()
  %a1 = llm.attend %rq1, %kv, %b {layer = 1, heads = 4, scale = 0.25} : (!t64, !kv, !llm.batch) -> !t64
  %po1 = llm.linear %a1, %o1 : (!t64, !w64x64) -> !t64
  %y1 = llm.add %z0, %po1 : !t64
  %m1 = llm.rmsnorm %y1, %fn1 {eps = 1.0e-5} : (!t64, !w64) -> !t64
  %pg1 = llm.linear %m1, %g1 : (!t64, !w96x64) -> !t96
  %pu1 = llm.linear %m1, %u1 : (!t64, !w96x64) -> !t96
  %s1 = llm.glu %pg1, %pu1 {act = #llm.act_fn<silu>} : (!t96, !t96) -> !t96
  %pd1 = llm.linear %s1, %d1 : (!t96, !w64x96) -> !t64
  %z1 = llm.add %y1, %pd1 : !t64
  %n = llm.rmsnorm %z1, %norm {eps = 1.0e-5} : (!t64, !w64) -> !t64
  %logits = llm.linear %n, %emb : (!t64, !w80x64) -> !t80
  return %logits : !t80
}
}
