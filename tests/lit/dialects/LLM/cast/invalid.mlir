// Each rule of llm.cast refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @cast_c1(%x: tensor<?x64xf32, #llm.dims<[T, 64]>>) {
  // expected-error @+1 {{C1: expected the dimensions #llm.dims<[T, 64]>, found #llm.dims<[S, 64]>}}
  %0 = llm.cast %x : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x64xf16, #llm.dims<[S, 64]>>
  return
}

// -----

func.func @cast_type(%x: tensor<?x64xf32, #llm.dims<[T, 64]>>) {
  // expected-error @+1 {{result #0 must be f32, f16 or bf16 activation}}
  %0 = llm.cast %x : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x64xi32, #llm.dims<[T, 64]>>
  return
}
