// One module a variant; products use the level's instruction, at its width. Without VNNI there is none of its products.
// RUN: llmc-opt %s --kern-lower-cpu=level=x86-64-v4-vnni | FileCheck %s
// RUN: llmc-opt %s --kern-lower-cpu=level=x86-64-v3 | FileCheck %s --check-prefix=AVX2

!x = !llm.qact<[T, 64], zero = 8>
!w = !llm.weight<[16, 64], #llm.q<i4, 32, sym>>
!y = tensor<?x16xf32, #llm.dims<[T, 16]>>
// CHECK-NOT: kern.func
// CHECK: module @product_m1
// CHECK: func.func @product_m1(%{{.*}}: !llvm.ptr, %{{.*}}: i32, %{{.*}}: i32, %{{.*}}: !llvm.ptr) -> i32
// CHECK: "llvm.x86.avx512.vpdpbusd.512"
// CHECK: return
// CHECK: module @product_any
// CHECK: func.func @product_any
// CHECK: "llvm.x86.avx512.vpdpbusd.512"
// AVX2: module @product_m1
// AVX2-NOT: vpdpbusd
// AVX2: module @product_any
// AVX2-NOT: vpdpbusd
kern.func @product(%x: !x, %w: !w, %b: !llm.batch) -> !y attributes {hero = "linear", config = [#kern.config<m_max = 1>, #kern.config<m_max = 0>]} {
  %y = llm.linear %x, %w : (!x, !w) -> !y
  kern.yield %y : !y
}
// Without a config there is one variant, and what called the kernels is gone.
// CHECK: module @add_any
// CHECK: scf.for
// CHECK-NOT: func.func @forward
kern.func @add(%x: !y, %b: !llm.batch) -> !y attributes {hero = "pointwise"} {
  %y = llm.add %x, %x : !y
  kern.yield %y : !y
}
func.func @forward(%b: !llm.batch, %x: !y) -> !y {
  %y = kern.call @add(%x, %b) : (!y, !llm.batch) -> !y
  return %y : !y
}
