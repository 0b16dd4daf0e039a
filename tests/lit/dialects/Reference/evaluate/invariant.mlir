// One model in three forms gives one digest: plain, with merged weights, with shared kernels; another seed gives another.
// RUN: llmc-opt %s --llm-evaluate="function=plain" | FileCheck %s
// RUN: llmc-opt %s --llm-evaluate="function=merged" | FileCheck %s
// RUN: llmc-opt %s --llm-evaluate="function=shared" | FileCheck %s
// RUN: llmc-opt %s --canonicalize --cse --llm-evaluate="function=plain" | FileCheck %s
// RUN: llmc-opt %s --llm-evaluate="function=plain seed=2" | not FileCheck %s

// CHECK: step 0 result 0 [2, 32]
// CHECK-NEXT: //   row 0: -0.02241 0.25266 -0.13087 0.15475
// CHECK-NEXT: //   row 1: 0.07185 -0.25230 -0.10233 -0.08799
// CHECK-NEXT: //   sum 5.20949 norm 4.34297
// CHECK: step 1 result 0 [2, 32]
// CHECK-NEXT: //   row 0: 0.68070 3.31443 -0.07303 0.41865
// CHECK-NEXT: //   row 1: 0.25512 -0.01927 -0.13354 -0.20770
// CHECK-NEXT: //   sum 1.87170 norm 11.05639
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!both = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x32xf32, #llm.dims<[S, 32]>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 16, page = 16>
!w = !llm.weight<[32, 32], #llm.q<bf16>>
!merged = !llm.weight<[64, 32], #llm.q<bf16>>
#rope = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>
llm.weight @gate : !w {sources = [#llm.source<"gate", rows = 32>]}
llm.weight @up : !w {sources = [#llm.source<"up", rows = 32, unpermute = 2>]}
llm.weight @concat : !merged {arrange = #llm.arrange<concat>, sources = [#llm.source<"gate", rows = 32>, #llm.source<"up", rows = 32, unpermute = 2>]}
llm.weight @interleaved : !merged {arrange = #llm.arrange<interleave16>, sources = [#llm.source<"gate", rows = 32>, #llm.source<"up", rows = 32, unpermute = 2>]}

func.func @plain(%b: !llm.batch, %kv: !kv) -> !y {
  %gate = llm.use @gate : !w
  %up = llm.use @up : !w
  %x = llm.embed %b, %gate {scale = 10.0} : (!llm.batch, !w) -> !x
  %q = llm.linear %x, %gate : (!x, !w) -> !x
  %k = llm.linear %x, %up : (!x, !w) -> !x
  %kr = llm.rope %k, %b {rope = #rope, head_dim = 16} : (!x, !llm.batch) -> !x
  llm.kv_write %kv, %kr, %k, %b {layer = 1} : (!kv, !x, !x, !llm.batch) -> ()
  %a = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  %g = llm.linear %a, %gate : (!x, !w) -> !x
  %u = llm.linear %a, %up : (!x, !w) -> !x
  %m = llm.glu %g, %u {act = #llm.act_fn<silu>} : (!x, !x) -> !x
  %y = llm.select_rows %m, %b : (!x, !llm.batch) -> !y
  return %y : !y
}

func.func @merged(%b: !llm.batch, %kv: !kv) -> !y {
  %gate = llm.use @gate : !w
  %concat = llm.use @concat : !merged
  %interleaved = llm.use @interleaved : !merged
  %x = llm.embed %b, %gate {scale = 10.0} : (!llm.batch, !w) -> !x
  %qk = llm.linear %x, %concat : (!x, !merged) -> !both
  %q = llm.slice %qk {offset = 0, size = 32} : (!both) -> !x
  %k = llm.slice %qk {offset = 32, size = 32} : (!both) -> !x
  %kr = llm.rope %k, %b {rope = #rope, head_dim = 16} : (!x, !llm.batch) -> !x
  llm.kv_write %kv, %kr, %k, %b {layer = 1} : (!kv, !x, !x, !llm.batch) -> ()
  %a = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
  %gu = llm.linear %a, %interleaved : (!x, !merged) -> !both
  %m = llm.glu %gu {act = #llm.act_fn<silu>, interleave = 16} : (!both) -> !x
  %y = llm.select_rows %m, %b : (!x, !llm.batch) -> !y
  return %y : !y
}

kern.func @project(%x: !x, %w: !w) -> !x attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %y : !x
}
kern.func @store(%k: !x, %kv: !kv, %b: !llm.batch) attributes {hero = "kv_write"} {
  %kr = llm.rope %k, %b {rope = #rope, head_dim = 16} : (!x, !llm.batch) -> !x
  llm.kv_write %kv, %kr, %k, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  kern.yield
}
func.func @shared(%b: !llm.batch, %kv: !kv) -> !y {
  %gate = llm.use @gate : !w
  %up = llm.use @up : !w
  %x = llm.embed %b, %gate {scale = 10.0} : (!llm.batch, !w) -> !x
  %q = kern.call @project(%x, %gate) : (!x, !w) -> !x
  %k = kern.call @project(%x, %up) : (!x, !w) -> !x
  kern.call @store(%k, %kv, %b) {kv_layer = 1} : (!x, !kv, !llm.batch) -> ()
  %a = kern.dispatch "attend" (%bq = %q : !x, %bkv = %kv : !kv, %bb = %b : !llm.batch) -> !x {
    %p = llm.attend %bq, %bkv, %bb {layer = 1, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch) -> !x
    kern.yield %p : !x
  }
  %g = kern.call @project(%a, %gate) : (!x, !w) -> !x
  %u = kern.call @project(%a, %up) : (!x, !w) -> !x
  %m = llm.glu %g, %u {act = #llm.act_fn<silu>} : (!x, !x) -> !x
  %y = llm.select_rows %m, %b : (!x, !llm.batch) -> !y
  return %y : !y
}
