// Attributes print as they were written.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

// CHECK: llm.dims = #llm.dims<[T, S, 576]>
// CHECK-SAME: llm.f32 = #llm.q<f32>
// CHECK-SAME: llm.gptj = #llm.rope<theta = 1.000000e+04, dim = 32, style = gptj, scaling = none>
// CHECK-SAME: llm.i4 = #llm.q<i4, 64, asym>
// CHECK-SAME: llm.i4k = #llm.q<i4, 32, asym, k256>
// CHECK-SAME: llm.i5 = #llm.q<i5, 32, sym>
// CHECK-SAME: llm.i6 = #llm.q<i6, 16, sym, k256>
// CHECK-SAME: llm.i8 = #llm.q<i8, 32, sym>
// CHECK-SAME: llm.linear = #llm.rope<theta = 1.000000e+04, dim = 64, style = neox, scaling = linear<4.000000e+00>>
// CHECK-SAME: llm.llama3 = #llm.rope<theta = 5.000000e+05, dim = 64, style = neox, scaling = llama3<8.000000e+00, 1.000000e+00, 4.000000e+00, 8192>>
// CHECK-SAME: llm.plain = #llm.source<"a.weight", rows = 576>
// CHECK-SAME: llm.unpermuted = #llm.source<"b \22quoted\22", rows = 576, unpermute = 9>
module attributes {
  llm.dims = #llm.dims<[T, S, 576]>,
  llm.f32 = #llm.q<f32>, llm.i4 = #llm.q<i4, 64, asym>, llm.i8 = #llm.q<i8, 32, sym>,
  llm.i4k = #llm.q<i4, 32, asym, k256>, llm.i5 = #llm.q<i5, 32, sym>, llm.i6 = #llm.q<i6, 16, sym, k256>,
  llm.linear = #llm.rope<theta = 1.0e4 : f64, dim = 64, style = neox, scaling = linear<4>>,
  llm.llama3 = #llm.rope<theta = 500000, dim = 64, style = neox, scaling = llama3<8.0, 1.0, 4.0, 8192>>,
  llm.gptj = #llm.rope<theta = 1.0e4, dim = 32, style = gptj, scaling = none>,
  llm.plain = #llm.source<"a.weight", rows = 576>,
  llm.unpermuted = #llm.source<"b \"quoted\"", rows = 576, unpermute = 9>
} {}
