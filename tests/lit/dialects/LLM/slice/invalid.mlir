// Each rule of llm.slice refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @slice_c1(%x: tensor<?x64xf32, #llm.dims<[T, 64]>>) {
  // expected-error @+1 {{C1: expected columns inside 0..64, found offset 48 and size 32}}
  %y = llm.slice %x {offset = 48, size = 32} : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}

// -----

func.func @slice_c1_overflow(%x: tensor<?x64xf32, #llm.dims<[T, 64]>>) {
  // expected-error @+1 {{C1: expected columns inside 0..64, found offset 9223372036854775807 and size 32}}
  %y = llm.slice %x {offset = 9223372036854775807, size = 32} : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}

// -----

func.func @slice_c2(%x: tensor<?x64xf32, #llm.dims<[T, 64]>>) {
  // expected-error @+1 {{C2: expected a result [T, 32], found [S, 32]}}
  %y = llm.slice %x {offset = 0, size = 32} : (tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x32xf32, #llm.dims<[S, 32]>>
  return
}
