// A product that was given the cache fetches it into L2 (hint 2) in the variant for 17 to 64 rows, in steps that a search for the page gives
// (its second result); one that was not, and variants for fewer and more rows, do not.
// RUN: llmc-opt %s --kern-lower-cpu=level=x86-64-v4-vnni | FileCheck %s

!x = !llm.qact<[T, 64], zero = 0>
!w = !llm.weight<[32, 64], #llm.q<i4, 32, asym>>
!y = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
// CHECK: module @given_m16
// CHECK-NOT: arith.muli %{{.*}}, %{{[0-9]+}}#1
// CHECK: module @given_m64
// CHECK: [[FOUND:%[0-9]+]]:2 = scf.if
// CHECK: hint = 3
// CHECK: [[STEP:%[0-9]+]] = arith.muli %{{.*}}, [[FOUND]]#1
// CHECK-NEXT: [[PAGE:%[0-9]+]] = llvm.getelementptr %{{[0-9]+}}{{\[}}[[STEP]]]
// CHECK-NEXT: prefetch"([[PAGE]]) <{{.*}}hint = 2
// CHECK: module @given_any
// CHECK-NOT: arith.muli %{{.*}}, %{{[0-9]+}}#1
// CHECK: module @without_m64
// CHECK-NOT: arith.muli %{{.*}}, %{{[0-9]+}}#1
kern.func @given(%x: !x, %w: !w, %b: !llm.batch, %kv: !kv) -> !y
    attributes {hero = "linear", llmc.panels_before = 3, config = [#kern.config<m_max = 16>, #kern.config<m_max = 64>, #kern.config<m_max = 0>]} {
  %y = llm.linear %x, %w : (!x, !w) -> !y
  kern.yield %y : !y
}
kern.func @without(%x: !x, %w: !w, %b: !llm.batch) -> !y attributes {hero = "linear", config = [#kern.config<m_max = 64>]} {
  %y = llm.linear %x, %w : (!x, !w) -> !y
  kern.yield %y : !y
}
