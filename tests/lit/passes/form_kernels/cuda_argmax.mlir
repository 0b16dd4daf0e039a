// Target cuda: the argmax of the logits and the token sampled from them are kernels of their own, after the product that stores them all.
// RUN: llmc-opt %s --kern-form-kernels=target=cuda --kern-form-fallback=target=cuda | FileCheck %s

!x = tensor<?x32xbf16, #llm.dims<[S, 32]>>
!l = tensor<?x3000xf32, #llm.dims<[S, 3000]>>
!a = tensor<?x6xf32, #llm.dims<[S, 6]>>
!t = tensor<?x1xf32, #llm.dims<[S, 1]>>
!w = !llm.weight<[3000, 32], #llm.q<bf16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 3000>]}
// CHECK: %[[L:.*]] = kern.dispatch "linear"
// CHECK-NEXT: = llm.linear
// CHECK-NEXT: = llm.softcap
// CHECK-NEXT: kern.yield
// CHECK: %[[A:.*]] = kern.dispatch "argmax" (%{{.*}} = %[[L]]
// CHECK-NEXT: = llm.argmax
// CHECK-NEXT: kern.yield
// CHECK: %[[T:.*]] = kern.dispatch "sample" (%{{.*}} = %[[L]]
// CHECK-NEXT: = llm.sample
// CHECK-NEXT: kern.yield
// CHECK: return %[[L]], %[[A]], %[[T]]
func.func @decode(%b: !llm.batch, %x: !x) -> (!l, !a, !t) attributes {llmc.t_max = 0 : i64, llmc.q_max = 1 : i64} {
  %w = llm.use @w : !w
  %p = llm.linear %x, %w : (!x, !w) -> !l
  %y = llm.softcap %p {cap = 30.0} : !l
  %a = llm.argmax %y {tile = 1024 : i64} : (!l) -> !a
  %t = llm.sample %y, %a, %b : (!l, !a, !llm.batch) -> !t
  return %y, %a, %t : !l, !a, !t
}
