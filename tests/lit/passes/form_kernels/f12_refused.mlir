// F12, near miss: a scheme that stores integer weights as floats has them expanded by the build, not by the product; the embedding's rows
// are looked up, so that their storage is no refusal.
// RUN: llmc-opt %s -verify-diagnostics --llm-quantize=scheme=w16 --kern-form-kernels | FileCheck %s
// RUN: llmc-opt %s --llm-quantize=scheme=w8 --kern-form-kernels 2>&1 | FileCheck %s --check-prefix=W8

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!e = !llm.weight<[48, 32], #llm.q<i8, 32, sym>>
!i = !llm.weight<[32, 32], #llm.q<i4, 32, asym>>
llm.weight @e : !e {sources = [#llm.source<"e", rows = 48>]}
llm.weight @i : !i {sources = [#llm.source<"i", rows = 32>]}
// CHECK-LABEL: @forward
// CHECK: kern.dispatch "linear"
// CHECK-NOT: F12
// W8-NOT: remark: missed F12
// W8: fused = ["F12"]
func.func @forward(%b: !llm.batch) -> !x {
  %e = llm.use @e : !e
  %x = llm.embed %b, %e : (!llm.batch, !e) -> !x
  %w = llm.use @i : !i
  // expected-remark @+1 {{missed F12: scheme w16 stores #llm.q<i4, 32, asym> as #llm.q<f16>: expanded in memory, by the build, instead of in the product}}
  %y = llm.linear %x, %w : (!x, !i) -> !x
  return %y : !x
}
