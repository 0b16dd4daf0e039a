// Storage by scheme; one quantize for all integer products of an input that ask for the same zero.
// RUN: llmc-opt %s --llm-quantize | FileCheck %s --check-prefix=NATIVE
// RUN: llmc-opt %s --llm-quantize=scheme=w16 | FileCheck %s --check-prefix=W16
// RUN: llmc-opt %s --llm-quantize=scheme=w8 | FileCheck %s --check-prefix=W8
// RUN: llmc-opt %s --llm-quantize=scheme=w4 | FileCheck %s --check-prefix=W4
// RUN: llmc-opt %s --llm-quantize="scheme=w4 activations=f32" | FileCheck %s --check-prefix=FLOAT

// NATIVE: @embedding : !llm.weight<[48, 32], #llm.q<bf16>>
// NATIVE: @a : !llm.weight<[32, 32], #llm.q<f32>>
// W16: @embedding : !llm.weight<[48, 32], #llm.q<bf16>>
// W16: @a : !llm.weight<[32, 32], #llm.q<f16>>
// W8: @a : !llm.weight<[32, 32], #llm.q<i8, 32, sym>>
// W4: @embedding : !llm.weight<[48, 32], #llm.q<i8, 32, sym>>
// W4: @norm : !llm.weight<[32], #llm.q<f32>>
// W4: @a : !llm.weight<[32, 32], #llm.q<i4, 32, asym>>
// FLOAT: @a : !llm.weight<[32, 32], #llm.q<i4, 32, asym>>

// NATIVE: %[[A:.*]] = llm.use @a
// NATIVE-NOT: llm.quantize %
// NATIVE: %[[I:.*]] = llm.use @integer
// NATIVE: %[[Q:.*]] = llm.quantize %[[N:.*]] : {{.*}} -> !llm.qact<[T, 32], zero = 8>
// NATIVE: llm.linear %[[Q]], %[[I]]
// W4: %[[Q:.*]] = llm.quantize %{{.*}} -> !llm.qact<[T, 32], zero = 0>
// W4: llm.linear %[[Q]]
// W4-NOT: llm.quantize
// W4: llm.linear %[[Q]]
// W4: llm.quantize {{.*}} zero = 128
// FLOAT-NOT: llm.quantize
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
