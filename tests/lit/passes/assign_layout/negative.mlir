// A layout that was given and cannot be is an error.
// RUN: llmc-opt %s -verify-diagnostics --kern-assign-layout

// expected-error @+1 {{expected layout "f16n16", found "plain"}}
llm.weight @w : !llm.weight<[32, 32], #llm.q<f16>> {sources = [#llm.source<"w", rows = 32>], layout = "plain"}
