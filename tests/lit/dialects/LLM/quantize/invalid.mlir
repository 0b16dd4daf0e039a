// Each rule of llm.quantize refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @quantize_c1(%x: !x) {
  // expected-error @+1 {{C1: expected a result [T, 64], found [T, 32]}}
  %0 = llm.quantize %x : (!x) -> !llm.qact<[T, 32], zero = 8>
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @quantize_c1_rows(%x: !x) {
  // expected-error @+1 {{C1: expected a result [T, 64], found [S, 64]}}
  %0 = llm.quantize %x : (!x) -> !llm.qact<[S, 64], zero = 8>
  return
}
