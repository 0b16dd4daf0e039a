// Types print as they were written.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

// CHECK: @activation(tensor<?x576xf32, #llm.dims<[T, 576]>>, tensor<3x4xf32, #llm.dims<[3, 4]>>)
func.func private @activation(tensor<?x576xf32, #llm.dims<[T, 576]>>, tensor<3x4xf32, #llm.dims<[3, 4]>>)
// CHECK: @weight(!llm.weight<[576, 1536], #llm.q<bf16>>, !llm.weight<[576], #llm.q<f32>>)
func.func private @weight(!llm.weight<[576, 1536], #llm.q<bf16>>, !llm.weight<[576], #llm.q<f32>>)
// CHECK: @qact(!llm.qact<[T, 576], zero = 8>, !llm.qact<[S, 576], zero = 128>, !llm.qact<[3, 32], zero = 0>, !llm.qact<[T, 64], e4m3>)
func.func private @qact(!llm.qact<[T, 576], zero = 8>, !llm.qact<[S, 576], zero = 128>, !llm.qact<[3, 32], zero = 0>, !llm.qact<[T, 64], e4m3>)
// CHECK: @cache(!llm.kv<layers = 30, heads = 3, dim = 64, page = 16>, !llm.batch)
func.func private @cache(!llm.kv<layers = 30, heads = 3, dim = 64, page = 16>, !llm.batch)
// What it stores, where that is not f16.
// CHECK: @cache_of_floats(!llm.kv<layers = 2, heads = 3, dim = 64, page = 16, kind = f32>)
func.func private @cache_of_floats(!llm.kv<layers = 2, heads = 3, dim = 64, page = 16, kind = f32>)
// CHECK: @cache_of_codes(!llm.kv<layers = 2, heads = 3, dim = 64, page = 16, kind = e4m3>, !llm.kv<layers = 2, heads = 3, dim = 64, page = 16>)
func.func private @cache_of_codes(!llm.kv<layers = 2, heads = 3, dim = 64, page = 16, kind = e4m3>, !llm.kv<layers = 2, heads = 3, dim = 64, page = 16, kind = f16>)
