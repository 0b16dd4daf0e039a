// A database changes the classes it knows, level by level, and what code generation says of them; for cuda attention, too. Near miss: another shape,
// another class, attention without a window, attention on a CPU.
// RUN: llmc-opt %s --kern-select-config=tuning=%S/Inputs/good.tuning | FileCheck %s
// RUN: not llmc-opt %s --kern-select-config=tuning=%S/Inputs/bad.tuning 2>&1 | FileCheck %s --check-prefix=BAD
// RUN: not llmc-opt %s --kern-select-config=tuning=%S/Inputs/none.tuning 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: llmc-opt %s --kern-select-config="target=cuda tuning=%S/Inputs/good.tuning" | FileCheck %s --check-prefix=CUDA
// RUN: not llmc-opt %s --kern-select-config="target=cuda tuning=%S/Inputs/bad.tuning" 2>&1 | FileCheck %s --check-prefix=BAD

// BAD: error: {{.*}}bad.tuning:3: tile_rows 5: expected 1 to 4
// NONE: error: cannot read {{.*}}none.tuning: No such file or directory
// CUDA: kern.func @few({{.*}}config = [#kern.config<m_max = 8, params = {sm_80 = {splits = 1 : i64}, sm_90a = {k_warps = 4 : i64, panels = 2 : i64}}>, #kern.config<m_max = 16>, #kern.config<m_max = 32>, #kern.config<m_max = 64>, #kern.config<m_max = 0, params = {sm_90a = {form = 1 : i64}}>]
// CUDA: kern.func @parts({{.*}}config = [#kern.config<m_max = 0, params = {sm_90a = {parts = 2 : i64, stages = 2 : i64}}>]
// CUDA: kern.func @whole({{.*}}config = [#kern.config<m_max = 0>]
!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x32xf32, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 64], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK: kern.func @few({{.*}}config = [#kern.config<m_max = 1>, #kern.config<m_max = 4, params = {"x86-64-v3" = {prefetch_bytes = 0 : i64, tile_rows = 2 : i64}, "x86-64-v4" = {tile_rows = 3 : i64}}>]
kern.func @few(%x: !x, %w: !w, %b: !llm.batch) -> !y attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!x, !w) -> !y
  kern.yield %y : !y
}
!q = tensor<?x256xf32, #llm.dims<[T, 256]>>
!p = tensor<?x2112xf32, #llm.dims<[T, 2112]>>
!kv = !llm.kv<layers = 1, heads = 2, dim = 64, page = 16>
// CHECK: kern.func @parts({{.*}}config = [#kern.config<m_max = 0>]
kern.func @parts(%q: !q, %kv: !kv, %b: !llm.batch) -> !p attributes {hero = "attend"} {
  %r = llm.attend_partial %q, %kv, %b {layer = 0, heads = 4, scale = 0.125, window = 24, splits = 8} : (!q, !kv, !llm.batch) -> !p
  kern.yield %r : !p
}
kern.func @whole(%q: !q, %kv: !kv, %b: !llm.batch) -> !q attributes {hero = "attend"} {
  %r = llm.attend %q, %kv, %b {layer = 0, heads = 4, scale = 0.125} : (!q, !kv, !llm.batch) -> !q
  kern.yield %r : !q
}
func.func @decode(%b: !llm.batch, %x: !x) -> !y attributes {llmc.t_max = 8 : i64} {
  %w = llm.use @w : !w
  %y = kern.call @few(%x, %w, %b) : (!x, !w, !llm.batch) -> !y
  return %y : !y
}
