// The rule of llm.round_rows refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @round_rows_c1(%x: !x) {
  // expected-error @+1 {{C1: expected a result of 'tensor<?x64xf32, #llm.dims<[T, 64]>>', found 'tensor<?x32xf32, #llm.dims<[T, 32]>>'}}
  %0 = llm.round_rows %x : (!x) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}
