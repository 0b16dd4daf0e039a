// Each rule of llm.glu refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!u = tensor<?x32xf32, #llm.dims<[T, 32]>>
func.func @glu_c1_types(%gate: !x, %up: !u) {
  // expected-error @+1 {{C1: expected gate and up of one type with interleave = 0, or one operand with interleave = 16, found 2 operands and interleave = 0}}
  %0 = llm.glu %gate, %up {act = #llm.act_fn<silu>} : (!x, !u) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @glu_c1_interleave(%gate: !x) {
  // expected-error @+1 {{found 1 operands and interleave = 0}}
  %0 = llm.glu %gate {act = #llm.act_fn<silu>} : (!x) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}

// -----

!x = tensor<?x48xf32, #llm.dims<[T, 48]>>
func.func @glu_c2(%gate: !x) {
  // expected-error @+1 {{C2: expected columns that are a multiple of 32, found 48}}
  %0 = llm.glu %gate {act = #llm.act_fn<silu>, interleave = 16} : (!x) -> tensor<?x24xf32, #llm.dims<[T, 24]>>
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @glu_c3(%gate: !x) {
  // expected-error @+1 {{C3: expected a result [T, 32], found [T, 64]}}
  %0 = llm.glu %gate {act = #llm.act_fn<silu>, interleave = 16} : (!x) -> !x
  return
}
