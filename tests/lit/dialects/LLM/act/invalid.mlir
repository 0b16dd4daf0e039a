// Each rule of llm.act refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @act_c1(%x: !x) {
  // expected-error @+1 {{failed to verify that C1: the result has the type of x}}
  %0 = "llm.act"(%x) {fn = #llm.act_fn<relu>} : (!x) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}
