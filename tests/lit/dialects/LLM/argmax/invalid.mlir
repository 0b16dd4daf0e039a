// Each rule of llm.argmax refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @argmax_c1(%x: tensor<?x64xf32, #llm.dims<[S, 64]>>) {
  // expected-error @+1 {{C1: expected tile > 0, found 0}}
  %y = llm.argmax %x {tile = 0 : i64} : (tensor<?x64xf32, #llm.dims<[S, 64]>>) -> tensor<?x2xf32, #llm.dims<[S, 2]>>
  return
}

// -----

func.func @argmax_c2_rows(%x: tensor<?x64xf32, #llm.dims<[S, 64]>>) {
  // expected-error @+1 {{C2: expected a result [S, 4], found [T, 4]}}
  %y = llm.argmax %x {tile = 48 : i64} : (tensor<?x64xf32, #llm.dims<[S, 64]>>) -> tensor<?x4xf32, #llm.dims<[T, 4]>>
  return
}

// -----

func.func @argmax_c2_tiles(%x: tensor<?x64xf32, #llm.dims<[S, 64]>>) {
  // expected-error @+1 {{C2: expected a result [S, 4], found [S, 2]}}
  %y = llm.argmax %x {tile = 48 : i64} : (tensor<?x64xf32, #llm.dims<[S, 64]>>) -> tensor<?x2xf32, #llm.dims<[S, 2]>>
  return
}

// -----

func.func @argmax_c3(%x: tensor<?x16777217xf32, #llm.dims<[S, 16777217]>>) {
  // expected-error @+1 {{C3: expected at most 16777216 columns, found 16777217}}
  %y = llm.argmax %x {tile = 16777217 : i64} : (tensor<?x16777217xf32, #llm.dims<[S, 16777217]>>) -> tensor<?x2xf32, #llm.dims<[S, 2]>>
  return
}
