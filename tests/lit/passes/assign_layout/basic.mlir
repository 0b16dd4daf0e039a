// A layout for each storage; vectors and generated tables are plain.
// RUN: llmc-opt %s --kern-assign-layout | FileCheck %s
// RUN: llmc-opt %s --kern-assign-layout --kern-assign-layout | FileCheck %s

#rope = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>
// CHECK: @f32 {{.*}}layout = "f32n16"
llm.weight @f32 : !llm.weight<[32, 32], #llm.q<f32>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @f16 {{.*}}layout = "f16n16"
llm.weight @f16 : !llm.weight<[32, 32], #llm.q<f16>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @bf16 {{.*}}layout = "bf16n16k2"
llm.weight @bf16 : !llm.weight<[32, 32], #llm.q<bf16>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @i8 {{.*}}layout = "q8n16k4"
llm.weight @i8 : !llm.weight<[32, 32], #llm.q<i8, 32, sym>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @i4 {{.*}}layout = "q4n16k4"
llm.weight @i4 : !llm.weight<[32, 32], #llm.q<i4, 32, sym>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @i4_min {{.*}}layout = "q4n16k4-asym"
llm.weight @i4_min : !llm.weight<[32, 32], #llm.q<i4, 32, asym>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @i5 {{.*}}layout = "q5n16k4"
llm.weight @i5 : !llm.weight<[32, 32], #llm.q<i5, 32, sym>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @i5_min {{.*}}layout = "q5n16k4-asym"
llm.weight @i5_min : !llm.weight<[32, 32], #llm.q<i5, 32, asym>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @i4_k {{.*}}layout = "q4kn16k4"
llm.weight @i4_k : !llm.weight<[32, 256], #llm.q<i4, 32, asym, k256>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @i5_k {{.*}}layout = "q5kn16k4"
llm.weight @i5_k : !llm.weight<[32, 256], #llm.q<i5, 32, asym, k256>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @i6_k {{.*}}layout = "q6kn16k4"
llm.weight @i6_k : !llm.weight<[32, 256], #llm.q<i6, 16, sym, k256>> {sources = [#llm.source<"w", rows = 32>]}
// CHECK: @norm {{.*}}layout = "plain"
llm.weight @norm : !llm.weight<[32], #llm.q<f32>> {sources = [#llm.source<"n", rows = 32>]}
// CHECK: @table {{.*}}layout = "plain"
llm.weight @table : !llm.weight<[258, 16], #llm.q<f32>> {generated = #rope}
