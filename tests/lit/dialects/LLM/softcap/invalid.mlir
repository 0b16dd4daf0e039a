// Each rule of llm.softcap refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @softcap_c1(%x: !x) {
  // expected-error @+1 {{failed to verify that C1: the result has the type of x}}
  %0 = "llm.softcap"(%x) {cap = 30.0} : (!x) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @softcap_c2(%x: !x) {
  // expected-error @+1 {{C2: expected cap > 0, found 0}}
  %0 = llm.softcap %x {cap = 0.0} : !x
  return
}
