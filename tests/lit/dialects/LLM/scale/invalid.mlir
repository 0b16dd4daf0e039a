// Each rule of llm.scale refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @scale_c1(%x: !x) {
  // expected-error @+1 {{failed to verify that C1: the result has the type of x}}
  %0 = "llm.scale"(%x) {factor = 0.5} : (!x) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}
