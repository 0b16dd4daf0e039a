// A model without rope needs neither table nor positions; one with rope says how many positions it has.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --llm-add-rope-table | FileCheck %s

// CHECK-NOT: rope_table
// CHECK: @plain
func.func @plain(%b: !llm.batch) {
  return
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
#rope = #llm.rope<theta = 1.0e6, dim = 16, style = neox, scaling = none>
// expected-error @+1 {{expected a positive module attribute 'llmc.max_positions', which sizes the rope table}}
module {
  func.func @forward(%b: !llm.batch, %x: !x) -> !x {
    %0 = llm.rope %x, %b {rope = #rope, head_dim = 16} : (!x, !llm.batch) -> !x
    return %0 : !x
  }
}
