// Each rule of llm.use refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @use_c1() {
  // expected-error @+1 {{C1: expected an llm.weight named 'absent', found none}}
  %w = llm.use @absent : !llm.weight<[96], #llm.q<f32>>
  return
}

// -----

func.func @use_c1_other() {
  // expected-error @+1 {{C1: expected an llm.weight named 'use_c1_other', found none}}
  %w = llm.use @use_c1_other : !llm.weight<[96], #llm.q<f32>>
  return
}

// -----

llm.weight @n : !llm.weight<[96], #llm.q<f32>> {sources = [#llm.source<"n", rows = 96>]}
func.func @use_c2() {
  // expected-error @+1 {{C2: expected the type of 'n', '!llm.weight<[96], #llm.q<f32>>', found '!llm.weight<[96], #llm.q<f16>>'}}
  %w = llm.use @n : !llm.weight<[96], #llm.q<f16>>
  return
}
