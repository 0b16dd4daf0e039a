// Each rule of llm.weight refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{C1: expected exactly one of sources and generated, found none}}
llm.weight @weight_c1_none : !llm.weight<[96], #llm.q<f32>>

// -----

// expected-error @+1 {{C1: expected exactly one of sources and generated, found both}}
llm.weight @weight_c1_both : !llm.weight<[96, 32], #llm.q<f32>> {sources = [#llm.source<"n", rows = 96>],
  generated = #llm.rope<theta = 1.0e4, dim = 32, style = neox, scaling = none>}

// -----

// expected-error @+1 {{C2: expected sources of 96 rows in all, found 95}}
llm.weight @weight_c2 : !llm.weight<[96], #llm.q<f32>> {sources = [#llm.source<"n", rows = 95>]}

// -----

// expected-error @+1 {{C3: expected one source for none, several for concat and interleave16, found 2 for none}}
llm.weight @weight_c3 : !llm.weight<[96], #llm.q<f32>> {sources = [#llm.source<"a", rows = 48>, #llm.source<"b", rows = 48>]}

// -----

// expected-error @+1 {{C4: expected interleaved sources of equal rows, a multiple of 16, found 64 and 32}}
llm.weight @weight_c4 : !llm.weight<[96, 8], #llm.q<f32>> {arrange = #llm.arrange<interleave16>,
  sources = [#llm.source<"a", rows = 64>, #llm.source<"b", rows = 32>]}

// -----

// expected-error @+1 {{C5: expected a generated weight of type f32 with K = 32}}
llm.weight @weight_c5 : !llm.weight<[288, 64], #llm.q<f32>> {generated = #llm.rope<theta = 1.0e4, dim = 32, style = neox, scaling = none>}
