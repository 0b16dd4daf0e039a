// Each rule of llm.attend_merge refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!p = tensor<?x203xf32, #llm.dims<[T, 203]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_merge_c1(%p: !p) {
  // expected-error @+1 {{C1: expected 204 columns of p, found 203}}
  %0 = llm.attend_merge %p {heads = 2, head_dim = 32, splits = 3} : (!p) -> !y
  return
}

// -----

!p = tensor<?x204xf32, #llm.dims<[T, 204]>>
!y = tensor<?x64xf32, #llm.dims<[S, 64]>>
func.func @attend_merge_c2(%p: !p) {
  // expected-error @+1 {{C2: expected a result [T, 64], found [S, 64]}}
  %0 = llm.attend_merge %p {heads = 2, head_dim = 32, splits = 3} : (!p) -> !y
  return
}

// -----

!p = tensor<?x204xf32, #llm.dims<[T, 204]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_merge_c3(%p: !p) {
  // expected-error @+1 {{C3: expected heads, head_dim and splits > 0, found 2, 32, 0}}
  %0 = llm.attend_merge %p {heads = 2, head_dim = 32, splits = 0} : (!p) -> !y
  return
}

// -----

!p = tensor<?x204xf32, #llm.dims<[T, 204]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!s = !llm.weight<[3], #llm.q<f32>>
func.func @attend_merge_c4(%p: !p, %s: !s) {
  // expected-error @+1 {{C4: expected sinks [2] of f32, found '!llm.weight<[3], #llm.q<f32>>'}}
  %0 = llm.attend_merge %p, %s {heads = 2, head_dim = 32, splits = 3} : (!p, !s) -> !y
  return
}
