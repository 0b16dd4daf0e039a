// Each rule of llm.layernorm refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64], #llm.q<f32>>
func.func @layernorm_c1(%x: !x, %w: !w) {
  // expected-error @+1 {{failed to verify that C1: the result has the type of x}}
  %0 = "llm.layernorm"(%x, %w) {eps = 1.0e-5} : (!x, !w) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 1], #llm.q<f32>>
func.func @layernorm_c2(%x: !x, %w: !w) {
  // expected-error @+1 {{C2: expected w [64], found '!llm.weight<[64, 1], #llm.q<f32>>'}}
  %0 = llm.layernorm %x, %w {eps = 1.0e-5} : (!x, !w) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64], #llm.q<f32>>
!b = !llm.weight<[63], #llm.q<f32>>
func.func @layernorm_c2_bias(%x: !x, %w: !w, %b: !b) {
  // expected-error @+1 {{C2: expected b [64], found '!llm.weight<[63], #llm.q<f32>>'}}
  %0 = llm.layernorm %x, %w, %b {eps = 1.0e-5} : (!x, !w, !b) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64], #llm.q<f32>>
func.func @layernorm_c3(%x: !x, %w: !w) {
  // expected-error @+1 {{C3: expected eps >= 0, found -1}}
  %0 = llm.layernorm %x, %w {eps = -1.0} : (!x, !w) -> !x
  return
}
