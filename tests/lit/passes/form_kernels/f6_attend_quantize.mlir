// F6: the item that makes a head's row quantizes it. Near misses: heads that end within a group of 32, and rows that something
// else reads as floats.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics --kern-form-kernels | FileCheck %s

!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!i = !llm.qact<[T, 64], zero = 8>
!kv = !llm.kv<layers = 1, heads = 1, dim = 32, page = 16>
!kv16 = !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>
// CHECK-LABEL: @happens
// CHECK: kern.dispatch "attend"
// CHECK-SAME: -> !llm.qact<[T, 64], zero = 8>
// CHECK-SAME: fused = ["F6"]
// CHECK-NEXT: %[[A:.*]] = llm.attend
// CHECK-NEXT: = llm.quantize %[[A]]
func.func @happens(%b: !llm.batch, %kv: !kv, %q: !q) -> !i {
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  %i = llm.quantize %a : (!q) -> !i
  return %i : !i
}

// CHECK-LABEL: @heads_of_16
// CHECK: kern.dispatch "attend"
// CHECK-NOT: fused
// CHECK: return
func.func @heads_of_16(%b: !llm.batch, %kv: !kv16, %q: !q) -> !i {
  // expected-remark @+1 {{missed F6: heads of 16 columns end within a group of 32}}
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 4, scale = 0.25} : (!q, !kv16, !llm.batch) -> !q
  %i = llm.quantize %a : (!q) -> !i
  return %i : !i
}

// CHECK-LABEL: @floats_too
// CHECK: kern.dispatch "attend"
// CHECK-NOT: fused
// CHECK: return
func.func @floats_too(%b: !llm.batch, %kv: !kv, %q: !q) -> (!q, !i) {
  // expected-remark @+1 {{missed F6: the rows have another use than their quantization}}
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25} : (!q, !kv, !llm.batch) -> !q
  %i = llm.quantize %a : (!q) -> !i
  return %a, %i : !q, !i
}
