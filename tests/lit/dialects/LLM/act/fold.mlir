// relu twice is relu; silu twice is not silu.
// RUN: llmc-opt %s --canonicalize | FileCheck %s

!x = tensor<?x4xf32, #llm.dims<[T, 4]>>
// CHECK-LABEL: @relu
func.func @relu(%x: !x) -> !x {
  // CHECK-COUNT-1: llm.act %
  // CHECK-NOT: llm.act %
  %a = llm.act %x {fn = #llm.act_fn<relu>} : !x
  %b = llm.act %a {fn = #llm.act_fn<relu>} : !x
  return %b : !x
}
// CHECK-LABEL: @silu
func.func @silu(%x: !x) -> !x {
  // CHECK-COUNT-2: llm.act %
  %a = llm.act %x {fn = #llm.act_fn<silu>} : !x
  %b = llm.act %a {fn = #llm.act_fn<silu>} : !x
  return %b : !x
}
