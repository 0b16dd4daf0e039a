// Each rule of llm.mul refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[S, 64]>>
func.func @mul_c1(%x: !x, %y: !y) {
  // expected-error @+1 {{failed to verify that C1: rhs has the type of lhs}}
  %0 = "llm.mul"(%x, %y) : (!x, !y) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[S, 64]>>
func.func @mul_c2(%x: !x) {
  // expected-error @+1 {{failed to verify that C2: the result has the type of lhs}}
  %0 = "llm.mul"(%x, %x) : (!x, !x) -> !y
  return
}
