// Each rule of llm.keep_rows refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @keep_rows_c1(%x: tensor<?x64xf32, #llm.dims<[T, 64]>>, %b: !llm.batch) {
  // expected-error @+1 {{C1: expected rows S or a number, found T}}
  %y = llm.keep_rows %x, %b : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !llm.batch) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  return
}

// -----

func.func @keep_rows_c2(%x: tensor<?x64xf32, #llm.dims<[S, 64]>>, %b: !llm.batch) {
  // expected-error @+1 {{C2: expected a result of 'tensor<?x64xf32, #llm.dims<[S, 64]>>', found 'tensor<?x32xf32, #llm.dims<[S, 32]>>'}}
  %y = llm.keep_rows %x, %b : (tensor<?x64xf32, #llm.dims<[S, 64]>>, !llm.batch) -> tensor<?x32xf32, #llm.dims<[S, 32]>>
  return
}
