// Target cuda: matrices lie as tensor cores take them, vectors and the rope table stay plain. Near miss: the same module for the CPU.
// Errors: a layout of the other target is there already; an f32 matrix, which llm-quantize leaves none of; wide
// groups without a minimum.
// RUN: llmc-opt %s -split-input-file --kern-assign-layout=target=cuda -verify-diagnostics | FileCheck %s
// RUN: llmc-opt %s -split-input-file --kern-assign-layout 2>/dev/null | FileCheck %s --check-prefix=CPU

// CHECK: @norm : {{.*}}layout = "plain"
// CHECK: @bf16 : {{.*}}layout = "bf16m16k16"
// CHECK: @f16 : {{.*}}layout = "f16m16k16"
// CHECK: @i8 : {{.*}}layout = "q8m16k32"
// CHECK: @i4 : {{.*}}layout = "q4m16k64"
// CHECK: @asym : {{.*}}layout = "q4m16k64-asym"
// CHECK: @wide : {{.*}}layout = "q4m16k128-asym"
// CHECK: @e4m3 : {{.*}}layout = "e4m3m16k32"
// CHECK: @q5_0 : {{.*}}layout = "q5m16k64"
// CHECK: @q5_1 : {{.*}}layout = "q5m16k64-asym"
// CHECK: @q4_k : {{.*}}layout = "q4km16k128"
// CHECK: @q5_k : {{.*}}layout = "q5km16k128"
// CHECK: @q6_k : {{.*}}layout = "q6km16k128"
// CHECK: @table : {{.*}}layout = "plain"
// CPU: @bf16 : {{.*}}layout = "bf16n16k2"
// CPU: @wide : {{.*}}layout = "q4n16k4-asym"
// CPU: @e4m3 : {{.*}}layout = "f32n16"
llm.weight @norm : !llm.weight<[32], #llm.q<f32>> {sources = [#llm.source<"norm", rows = 32>]}
llm.weight @bf16 : !llm.weight<[32, 32], #llm.q<bf16>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @f16 : !llm.weight<[32, 32], #llm.q<f16>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @i8 : !llm.weight<[32, 32], #llm.q<i8, 32, sym>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @i4 : !llm.weight<[32, 32], #llm.q<i4, 32, sym>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @asym : !llm.weight<[32, 32], #llm.q<i4, 32, asym>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @wide : !llm.weight<[32, 32], #llm.q<i4, 128, asym>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @e4m3 : !llm.weight<[32, 32], #llm.q<e4m3>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @q5_0 : !llm.weight<[32, 32], #llm.q<i5, 32, sym>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @q5_1 : !llm.weight<[32, 32], #llm.q<i5, 32, asym>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @q4_k : !llm.weight<[32, 256], #llm.q<i4, 32, asym, k256>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @q5_k : !llm.weight<[32, 256], #llm.q<i5, 32, asym, k256>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @q6_k : !llm.weight<[32, 256], #llm.q<i6, 16, sym, k256>> {sources = [#llm.source<"a", rows = 32>]}
llm.weight @table : !llm.weight<[258, 16], #llm.q<f32>> {generated = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>}

// -----

// expected-error @+1 {{expected layout "bf16m16k16", found "bf16n16k2"}}
llm.weight @bf16 : !llm.weight<[32, 32], #llm.q<bf16>> {layout = "bf16n16k2", sources = [#llm.source<"a", rows = 32>]}

// -----

// expected-error @+1 {{has no layout for target cuda as it is stored, #llm.q<i4, 128, sym>}}
llm.weight @sym : !llm.weight<[32, 32], #llm.q<i4, 128, sym>> {sources = [#llm.source<"a", rows = 32>]}

// -----

// expected-error @+1 {{has no layout for target cuda as it is stored, #llm.q<f32>}}
llm.weight @f32 : !llm.weight<[32, 32], #llm.q<f32>> {sources = [#llm.source<"a", rows = 32>]}
