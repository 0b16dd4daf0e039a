// Each rule of llm.argmax refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @argmax_c1(%x: tensor<?x64xf32, #llm.dims<[S, 64]>>) {
  // expected-error @+1 {{C1: expected rows S, found T}}
  %y = llm.argmax %x : (tensor<?x64xf32, #llm.dims<[S, 64]>>) -> tensor<?xi32, #llm.dims<[T]>>
  return
}

// -----

func.func @argmax_type(%x: tensor<?x64xf32, #llm.dims<[S, 64]>>) {
  // expected-error @+1 {{result #0 must be i32 tensor [rows] with #llm.dims}}
  %y = llm.argmax %x : (tensor<?x64xf32, #llm.dims<[S, 64]>>) -> tensor<?xi64, #llm.dims<[S]>>
  return
}
