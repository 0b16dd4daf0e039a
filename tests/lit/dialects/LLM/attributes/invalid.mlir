// Each rule of the attributes refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{C1: expected 2 entries in #llm.dims, found 1}}
func.func private @dims_c1(tensor<?x4xf32, #llm.dims<[T]>>)

// -----

// expected-error @+1 {{C2: #llm.dims says T for dimension 0, the tensor has 3}}
func.func private @dims_c2_symbol(tensor<3x4xf32, #llm.dims<[T, 4]>>)

// -----

// expected-error @+1 {{C2: #llm.dims says 5 for dimension 1, the tensor has 4}}
func.func private @dims_c2_number(tensor<?x4xf32, #llm.dims<[T, 5]>>)

// -----

// expected-error @+1 {{C2: #llm.dims says 3 for dimension 0, the tensor has ?}}
func.func private @dims_c2_dynamic(tensor<?x4xf32, #llm.dims<[3, 4]>>)

// -----

// expected-error @+1 {{expected T, S or a number, found 'B'}}
func.func private @dims_symbol(tensor<?x4xf32, #llm.dims<[B, 4]>>)

// -----

// expected-error @+1 {{dimensions must be T, S or a positive number, found 0}}
func.func private @dims_zero(tensor<?x0xf32, #llm.dims<[T, 0]>>)

// -----

// expected-error @+1 {{C2: expected a group that is a multiple of 32, found 48}}
module attributes {llm.q_c2 = #llm.q<i4, 48, sym>} {}

// -----

// expected-error @+1 {{C3: expected i8 to be sym, found asym}}
module attributes {llm.q_c3 = #llm.q<i8, 32, asym>} {}

// -----

// expected-error @+1 {{C2: expected i6 to have groups of 16, found 32}}
module attributes {llm.q_c2_six = #llm.q<i6, 32, sym, k256>} {}

// -----

// expected-error @+1 {{C3: expected i6 to be sym, found asym}}
module attributes {llm.q_c3_six = #llm.q<i6, 16, asym, k256>} {}

// -----

// expected-error @+1 {{C4: expected i6 to have k256}}
module attributes {llm.q_c4_six = #llm.q<i6, 16, sym>} {}

// -----

// expected-error @+1 {{C4: expected no k256 for sym i4}}
module attributes {llm.q_c4 = #llm.q<i4, 32, sym, k256>} {}

// -----

// expected-error @+1 {{unknown word 'f8'}}
module attributes {llm.q_word = #llm.q<f8>} {}

// -----

// expected-error @+1 {{expected sym or asym}}
module attributes {llm.q_symmetry = #llm.q<i4, 32, both>} {}

// -----

// expected-error @+1 {{C1: expected a positive theta}}
module attributes {llm.rope_c1 = #llm.rope<theta = 0.0, dim = 64, style = neox, scaling = none>} {}

// -----

// expected-error @+1 {{C2: expected an even, positive dim, found 63}}
module attributes {llm.rope_c2 = #llm.rope<theta = 1.0e4, dim = 63, style = neox, scaling = none>} {}

// -----

// expected-error @+1 {{C3: expected a positive factor}}
module attributes {llm.rope_c3 = #llm.rope<theta = 1.0e4, dim = 64, style = neox, scaling = linear<-2.0>>} {}

// -----

// expected-error @+1 {{C3: expected 0 < low < high and a positive original}}
module attributes {llm.rope_c3_llama3 = #llm.rope<theta = 1.0e4, dim = 64, style = neox, scaling = llama3<8, 4, 1, 8192>>} {}

// -----

// expected-error @+1 {{C1: expected positive rows, found 0}}
module attributes {llm.source_c1 = #llm.source<"a", rows = 0>} {}

// -----

// expected-error @+1 {{C2: expected rows that are a multiple of 2 * unpermute, found rows = 576, unpermute = 5}}
module attributes {llm.source_c2 = #llm.source<"a", rows = 576, unpermute = 5>} {}
