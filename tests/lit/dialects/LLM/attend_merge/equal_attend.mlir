// Partial attention, merged, is attention, its sinks included: over ragged sequences and two steps.
// RUN: llmc-opt %s --llm-evaluate="function=difference tokens=70" | FileCheck %s
// RUN: llmc-opt %s --llm-evaluate="function=whole tokens=70" | FileCheck %s --check-prefix=WHOLE

// CHECK: // difference step 0
// CHECK: // sum 0.00000 norm 0.00000
// CHECK: // difference step 1
// CHECK: // sum 0.00000 norm 0.00000
// The difference is not one of zeros.
// WHOLE: // whole step 1
// WHOLE: norm
// WHOLE-NOT: 0.00000
!kv = !llm.kv<layers = 1, heads = 1, dim = 4, page = 16>
!x = tensor<?x8xf32, #llm.dims<[T, 8]>>
!k = tensor<?x4xf32, #llm.dims<[T, 4]>>
!p = tensor<?x36xf32, #llm.dims<[T, 36]>>
!table = !llm.weight<[64, 8], #llm.q<f32>>
llm.weight @table : !table {sources = [#llm.source<"table", rows = 64>]}
!s = !llm.weight<[2], #llm.q<f32>>
llm.weight @s : !s {sources = [#llm.source<"s", rows = 2>], llm.literal = dense<[0.3, -0.1]> : tensor<2xf64>}
func.func @difference(%b: !llm.batch, %kv: !kv) -> !x {
  %table = llm.use @table : !table
  %x = llm.embed %b, %table : (!llm.batch, !table) -> !x
  %k = llm.slice %x {offset = 2, size = 4} : (!x) -> !k
  llm.kv_write %kv, %k, %k, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %s = llm.use @s : !s
  %whole = llm.attend %x, %kv, %b, %s {layer = 0, heads = 2, scale = 0.5} : (!x, !kv, !llm.batch, !s) -> !x
  %p = llm.attend_partial %x, %kv, %b {layer = 0, heads = 2, scale = 0.5, splits = 3} : (!x, !kv, !llm.batch) -> !p
  %merged = llm.attend_merge %p, %s {heads = 2, head_dim = 4, splits = 3} : (!p, !s) -> !x
  %minus = llm.scale %merged {factor = -1.0} : !x
  %y = llm.add %whole, %minus : !x
  return %y : !x
}
func.func @whole(%b: !llm.batch, %kv: !kv) -> tensor<?x8xf32, #llm.dims<[S, 8]>> {
  %table = llm.use @table : !table
  %x = llm.embed %b, %table : (!llm.batch, !table) -> !x
  %k = llm.slice %x {offset = 2, size = 4} : (!x) -> !k
  llm.kv_write %kv, %k, %k, %b {layer = 0} : (!kv, !k, !k, !llm.batch) -> ()
  %y = llm.attend %x, %kv, %b {layer = 0, heads = 2, scale = 0.5} : (!x, !kv, !llm.batch) -> !x
  %s = llm.select_rows %y, %b : (!x, !llm.batch) -> tensor<?x8xf32, #llm.dims<[S, 8]>>
  return %s : tensor<?x8xf32, #llm.dims<[S, 8]>>
}
