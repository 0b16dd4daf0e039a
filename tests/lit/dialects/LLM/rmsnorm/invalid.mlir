// Each rule of llm.rmsnorm refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64], #llm.q<f32>>
func.func @rmsnorm_c1(%x: !x, %w: !w) {
  // expected-error @+1 {{failed to verify that C1: the result has the type of x}}
  %0 = "llm.rmsnorm"(%x, %w) {eps = 1.0e-5} : (!x, !w) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[32], #llm.q<f32>>
func.func @rmsnorm_c2(%x: !x, %w: !w) {
  // expected-error @+1 {{C2: expected w [64], found '!llm.weight<[32], #llm.q<f32>>'}}
  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5} : (!x, !w) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64], #llm.q<f32>>
func.func @rmsnorm_c2_segment(%x: !x, %w: !w) {
  // expected-error @+1 {{C2: expected w [32], found '!llm.weight<[64], #llm.q<f32>>'}}
  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5, segment = 32} : (!x, !w) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[48], #llm.q<f32>>
func.func @rmsnorm_c3(%x: !x, %w: !w) {
  // expected-error @+1 {{C3: expected columns that are a multiple of segment, found 64 and 48}}
  %0 = llm.rmsnorm %x, %w {eps = 1.0e-5, segment = 48} : (!x, !w) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64], #llm.q<f32>>
func.func @rmsnorm_c4(%x: !x, %w: !w) {
  // expected-error @+1 {{C4: expected eps >= 0, found -1}}
  %0 = llm.rmsnorm %x, %w {eps = -1.0} : (!x, !w) -> !x
  return
}
