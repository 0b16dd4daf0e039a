// llm.weight in all its arrangements.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

// CHECK: llm.weight @plain : !llm.weight<[96], #llm.q<f32>> {sources = [#llm.source<"n", rows = 96>]}
llm.weight @plain : !llm.weight<[96], #llm.q<f32>> {sources = [#llm.source<"n", rows = 96>]}
// CHECK: llm.weight @qkv : {{.*}} {arrange = #llm.arrange<concat>, layout = "q4n16k4", sources = [#llm.source<"q", rows = 64, unpermute = 2>, #llm.source<"k", rows = 32>]}
llm.weight @qkv : !llm.weight<[96, 64], #llm.q<i4, 32, sym>> {arrange = #llm.arrange<concat>, layout = "q4n16k4",
  sources = [#llm.source<"q", rows = 64, unpermute = 2>, #llm.source<"k", rows = 32>]}
// CHECK: llm.weight @gate_up : {{.*}} {arrange = #llm.arrange<interleave16>
llm.weight @gate_up : !llm.weight<[64, 64], #llm.q<bf16>> {arrange = #llm.arrange<interleave16>,
  sources = [#llm.source<"gate", rows = 32>, #llm.source<"up", rows = 32>]}
// CHECK: llm.weight @table : !llm.weight<[288, 32], #llm.q<f32>> {generated = #llm.rope<
llm.weight @table : !llm.weight<[288, 32], #llm.q<f32>> {generated = #llm.rope<theta = 1.0e4, dim = 32, style = neox, scaling = none>}
