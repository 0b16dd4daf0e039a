// Nothing to plan, and an op outside a kernel, are errors.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --plan-build

// expected-error @+1 {{expected a program to plan, found no function}}
module {
}

// -----

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
func.func @decode(%b: !llm.batch, %x: !x) -> !x {
  // expected-error @+1 {{is not part of a kernel, expected kern.call, llm.use and return alone: run the kern passes first}}
  %y = llm.act %x {fn = #llm.act_fn<silu>} : !x
  return %y : !x
}

// -----

// expected-error @+1 {{expected a program, found the declaration of one}}
func.func private @declared(!llm.batch)

// -----

// expected-error @+1 {{expected !llm.batch and !llm.kv as its first arguments, found}}
func.func @no_cache(%b: !llm.batch, %x: tensor<?x32xf32, #llm.dims<[T, 32]>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>> {
  return %x : tensor<?x32xf32, #llm.dims<[T, 32]>>
}
