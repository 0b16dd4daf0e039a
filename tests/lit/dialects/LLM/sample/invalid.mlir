// Each rule of llm.sample refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!l = tensor<?x64xf32, #llm.dims<[S, 64]>>
func.func @sample_c1_odd(%l: !l, %a: tensor<?x3xf32, #llm.dims<[S, 3]>>, %b: !llm.batch) {
  // expected-error @+1 {{C1: expected best to be the argmax of the logits, found 'tensor<?x3xf32, #llm.dims<[S, 3]>>'}}
  %t = llm.sample %l, %a, %b : (!l, tensor<?x3xf32, #llm.dims<[S, 3]>>, !llm.batch) -> tensor<?x1xf32, #llm.dims<[S, 1]>>
  return
}

// -----

!l = tensor<?x64xf32, #llm.dims<[S, 64]>>
func.func @sample_c1_rows(%l: !l, %a: tensor<?x2xf32, #llm.dims<[T, 2]>>, %b: !llm.batch) {
  // expected-error @+1 {{C1: expected best to be the argmax of the logits, found 'tensor<?x2xf32, #llm.dims<[T, 2]>>'}}
  %t = llm.sample %l, %a, %b : (!l, tensor<?x2xf32, #llm.dims<[T, 2]>>, !llm.batch) -> tensor<?x1xf32, #llm.dims<[S, 1]>>
  return
}

// -----

!l = tensor<?x64xf32, #llm.dims<[S, 64]>>
!a = tensor<?x2xf32, #llm.dims<[S, 2]>>
func.func @sample_c2(%l: !l, %a: !a, %b: !llm.batch) {
  // expected-error @+1 {{C2: expected a result [S, 1], found [S, 2]}}
  %t = llm.sample %l, %a, %b : (!l, !a, !llm.batch) -> !a
  return
}

// -----

!l = tensor<?x524289xf32, #llm.dims<[S, 524289]>>
!a = tensor<?x2xf32, #llm.dims<[S, 2]>>
func.func @sample_c3(%l: !l, %a: !a, %b: !llm.batch) {
  // expected-error @+1 {{C3: expected at most 524288 columns, found 524289}}
  %t = llm.sample %l, %a, %b : (!l, !a, !llm.batch) -> tensor<?x1xf32, #llm.dims<[S, 1]>>
  return
}
