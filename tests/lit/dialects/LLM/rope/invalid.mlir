// Each rule of llm.rope refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @rope_c1(%x: !x, %b: !llm.batch) {
  // expected-error @+1 {{failed to verify that C1: the result has the type of x}}
  %0 = llm.rope %x, %b {rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>, head_dim = 32} : (!x, !llm.batch) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @rope_c2(%x: !x, %b: !llm.batch) {
  // expected-error @+1 {{C2: expected columns that are a multiple of head_dim, found 64 and 48}}
  %0 = llm.rope %x, %b {rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>, head_dim = 48} : (!x, !llm.batch) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @rope_c3(%x: !x, %b: !llm.batch) {
  // expected-error @+1 {{C3: expected a rope dim of at most 16, found 32}}
  %0 = llm.rope %x, %b {rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>, head_dim = 16} : (!x, !llm.batch) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @rope_c4(%x: !x, %b: !llm.batch, %table: !llm.weight<[288, 64], #llm.q<f32>>) {
  // expected-error @+1 {{C4: expected a table [R, 32], found '!llm.weight<[288, 64], #llm.q<f32>>'}}
  %0 = llm.rope %x, %b, %table {rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>, head_dim = 32} : (!x, !llm.batch, !llm.weight<[288, 64], #llm.q<f32>>) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[S, 64]>>
func.func @rope_c5(%x: !x, %b: !llm.batch) {
  // expected-error @+1 {{C5: expected rows T or a number, found S}}
  %0 = llm.rope %x, %b {rope = #llm.rope<theta = 1.0e5, dim = 32, style = neox, scaling = none>, head_dim = 32} : (!x, !llm.batch) -> !x
  return
}
