// llm.use names a weight and repeats its type.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

llm.weight @n : !llm.weight<[96], #llm.q<f32>> {sources = [#llm.source<"n", rows = 96>]}
func.func @use() {
  // CHECK: llm.use @n : !llm.weight<[96], #llm.q<f32>>
  %w = llm.use @n : !llm.weight<[96], #llm.q<f32>>
  return
}
