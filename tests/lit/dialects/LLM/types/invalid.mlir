// Each rule of the types refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{C1: expected one or two dimensions, found 3}}
func.func private @weight_c1_rank(!llm.weight<[2, 3, 4], #llm.q<f32>>)

// -----

// expected-error @+1 {{C1: expected positive dimensions, found 0}}
func.func private @weight_c1_zero(!llm.weight<[0, 3], #llm.q<f32>>)

// -----

// expected-error @+1 {{C2: expected f32, f16 or bf16 for a one-dimensional weight, found i4}}
func.func private @weight_c2(!llm.weight<[64], #llm.q<i4, 32, sym>>)

// -----

// expected-error @+1 {{C1: expected positive columns, found 0}}
func.func private @qact_c1(!llm.qact<[T, 0], zero = 8>)

// -----

// expected-error @+1 {{C2: expected zero to be 0, 8, 16, 32 or 128, found 7}}
func.func private @qact_c2(!llm.qact<[T, 64], zero = 7>)

// -----

// expected-error @+1 {{C1: expected positive layers, heads, dim and page, found 2, 0, 64, 16}}
func.func private @kv_c1(!llm.kv<layers = 2, heads = 0, dim = 64, page = 16>)

// -----

// expected-error @+1 {{C2: expected kind to be f32, f16, bf16, i8 or e4m3, found i4}}
func.func private @kv_c2(!llm.kv<layers = 2, heads = 1, dim = 64, page = 16, kind = i4>)
