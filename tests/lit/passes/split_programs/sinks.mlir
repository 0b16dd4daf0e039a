// Sinks go to the merge of the parts, which know nothing of them; whole attention keeps them. Both become arguments of their kernels, on
// either target.
// RUN: llmc-opt %s --llm-split-programs | FileCheck %s
// RUN: llmc-opt %s --llm-split-programs --kern-form-kernels --kern-form-fallback | FileCheck %s --check-prefix=KERNELS
// RUN: llmc-opt %s --llm-split-programs=target=cuda --kern-form-kernels=target=cuda --kern-form-fallback=target=cuda | FileCheck %s --check-prefix=KERNELS

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
!s = !llm.weight<[2], #llm.q<f32>>
llm.weight @s : !s {sources = [#llm.source<"s", rows = 2>]}
// CHECK: func.func @decode
// CHECK: %[[S:.*]] = llm.use @s
// CHECK: %[[P:.*]] = llm.attend_partial %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}} {
// CHECK: llm.attend_merge %[[P]], %[[S]] {head_dim = 16
// CHECK: func.func @mixed
// CHECK: %[[S:.*]] = llm.use @s
// CHECK: llm.attend %{{.*}}, %{{.*}}, %{{.*}}, %[[S]] {heads
// KERNELS: llm.attend_partial %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}} {
// KERNELS: kern.dispatch {{.*}}!llm.weight<[2], #llm.q<f32>>
// KERNELS: llm.attend_merge %{{.*}}, %{{.*}} {
// KERNELS: kern.dispatch {{.*}}!llm.weight<[2], #llm.q<f32>>
// KERNELS: llm.attend %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {
func.func @forward(%b: !llm.batch, %kv: !kv, %q: !x) -> !x {
  %s = llm.use @s : !s
  %a = llm.attend %q, %kv, %b, %s {layer = 1, heads = 2, scale = 0.25} : (!x, !kv, !llm.batch, !s) -> !x
  return %a : !x
}
