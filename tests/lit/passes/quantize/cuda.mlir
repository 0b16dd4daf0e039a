// Target cuda: one cast to bf16 for all products of an input, whatever their storage; f32 matrices become f16 with a remark. Near
// misses: target cpu casts nothing; a norm's vector and a bf16 matrix keep their storage; an input that is bf16 already stays.
// RUN: llmc-opt %s --llm-quantize=target=cuda 2>&1 | FileCheck %s
// RUN: llmc-opt %s --llm-quantize="target=cuda activations=bf16 scheme=w4" | FileCheck %s --check-prefix=W4
// RUN: llmc-opt %s --llm-quantize="target=cuda scheme=w4 group-size=128" | FileCheck %s --check-prefix=WIDE
// RUN: llmc-opt %s --llm-quantize="scheme=w4 group-size=128" | FileCheck %s --check-prefixes=WIDE,CPUWIDE
// RUN: not llmc-opt %s --llm-quantize="target=cuda scheme=w8 group-size=128" 2>&1 | FileCheck %s --check-prefix=W8WIDE
// RUN: not llmc-opt %s --llm-quantize="target=cuda scheme=w4 group-size=64" 2>&1 | FileCheck %s --check-prefix=SIXTYFOUR
// RUN: llmc-opt %s --llm-quantize="target=cuda scheme=fp8" | FileCheck %s --check-prefixes=FP8,FP8CUDA
// RUN: llmc-opt %s --llm-quantize="scheme=fp8 activations=f32" | FileCheck %s --check-prefixes=FP8,FP8CPU
// RUN: llmc-opt %s --llm-quantize | FileCheck %s --check-prefix=CPU
// RUN: not llmc-opt %s --llm-quantize="target=cuda activations=f32" 2>&1 | FileCheck %s --check-prefix=FLOAT
// RUN: not llmc-opt %s --llm-quantize="target=cuda activations=int8" 2>&1 | FileCheck %s --check-prefix=INT8
// RUN: not llmc-opt %s --llm-quantize="target=rocm" 2>&1 | FileCheck %s --check-prefix=ROCM

// CHECK: remark: stored as f16: target cuda has no f32 matrices
// CHECK-NOT: remark:
// CHECK: @embedding : !llm.weight<[48, 32], #llm.q<bf16>>
// CHECK: @norm : !llm.weight<[32], #llm.q<f32>>
// CHECK: @a : !llm.weight<[32, 32], #llm.q<f16>>
// CHECK: %[[N:.*]] = llm.rmsnorm
// CHECK: %[[H:.*]] = llm.cast %[[N]] : (tensor<?x32xf32, #llm.dims<[T, 32]>>) -> tensor<?x32xbf16, #llm.dims<[T, 32]>>
// CHECK-NOT: llm.cast
// CHECK: llm.linear %[[H]], {{.*}} #llm.q<f16>>) -> tensor<?x32xf32
// CHECK-NOT: llm.cast
// CHECK: llm.linear %[[H]], {{.*}} #llm.q<i4, 32, sym>>) -> tensor<?x32xf32
// CHECK: %[[L:.*]] = llm.cast
// CHECK-NOT: llm.cast
// CHECK: llm.linear %[[L]]
// CHECK-NOT: llm.quantize

// W4: @embedding : !llm.weight<[48, 32], #llm.q<i8, 32, sym>>
// W4: llm.cast
// W4: llm.linear {{.*}} #llm.q<i4, 32, asym>>)
// W4-NOT: llm.quantize

// Groups of 128 for those that are not wide in bits; the embedding stays in groups of 32.
// WIDE: @embedding : !llm.weight<[48, 32], #llm.q<i8, 32, sym>>
// WIDE: @a : !llm.weight<[32, 32], #llm.q<i4, 128, asym>>
// CPUWIDE: llm.linear {{.*}}!llm.qact<[T, 32], zero = 0>, !llm.weight<[32, 32], #llm.q<i4, 128, asym>>
// W8WIDE: error: expected a group size of 32, or of 128 for scheme w4, found 128
// SIXTYFOUR: error: expected a group size of 32, or of 128 for scheme w4, found 64

// 8-bit floats: one form of an input for its two products; the embedding and the head stay bf16. A CPU rounds f32 instead.
// FP8: @embedding : !llm.weight<[48, 32], #llm.q<bf16>>
// FP8: @a : !llm.weight<[32, 32], #llm.q<e4m3>>
// FP8: @integer : !llm.weight<[32, 32], #llm.q<e4m3>>
// FP8CUDA: %[[Q:.*]] = llm.quantize {{.*}} -> !llm.qact<[T, 32], e4m3>
// FP8CUDA-NOT: llm.quantize
// FP8CUDA: llm.linear %[[Q]],
// FP8CUDA: llm.linear %[[Q]],
// FP8CUDA: llm.cast {{.*}}xbf16
// FP8CPU: %[[R:.*]] = llm.round_rows
// FP8CPU-NOT: llm.round_rows
// FP8CPU: llm.linear %[[R]], {{.*}}tensor<?x32xf32
// FP8CPU: llm.linear %[[R]],
// FP8CPU-NOT: llm.round_rows

// CPU-NOT: llm.cast
// FLOAT: error: activations 'f32' are not there for target cuda, whose products read bf16: expected auto or bf16
// INT8: error: activations 'int8' are not there for target cuda
// ROCM: error: unknown target 'rocm', expected cpu or cuda
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!l = tensor<?x48xf32, #llm.dims<[T, 48]>>
!e = !llm.weight<[48, 32], #llm.q<bf16>>
!n = !llm.weight<[32], #llm.q<f32>>
!w = !llm.weight<[32, 32], #llm.q<f32>>
!i = !llm.weight<[32, 32], #llm.q<i4, 32, sym>>
llm.weight @embedding : !e {sources = [#llm.source<"embedding", rows = 48>]}
llm.weight @norm : !n {sources = [#llm.source<"norm", rows = 32>]}
llm.weight @a : !w {sources = [#llm.source<"a", rows = 32>]}
llm.weight @integer : !i {sources = [#llm.source<"integer", rows = 32>]}
func.func @forward(%b: !llm.batch) -> !l {
  %e = llm.use @embedding : !e
  %wn = llm.use @norm : !n
  %wa = llm.use @a : !w
  %wi = llm.use @integer : !i
  %x = llm.embed %b, %e : (!llm.batch, !e) -> !x
  %n = llm.rmsnorm %x, %wn {eps = 1.0e-5} : (!x, !n) -> !x
  %y = llm.linear %n, %wa : (!x, !w) -> !x
  %z = llm.linear %n, %wi : (!x, !i) -> !x
  %s = llm.add %y, %z : !x
  %logits = llm.linear %s, %e : (!x, !e) -> !l
  return %logits : !l
}
