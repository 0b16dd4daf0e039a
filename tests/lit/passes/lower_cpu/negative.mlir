// An unknown level names those there are; an op without code is named.
// RUN: not llmc-opt %s --kern-lower-cpu=level=i386 2>&1 | FileCheck %s --check-prefix=LEVEL
// RUN: not llmc-opt %s --kern-lower-cpu 2>&1 | FileCheck %s
// LEVEL: expected level to be one of x86-64-v3, {{.*}}x86-64-v4-vnni-bf16-vp2intersect, found 'i386'
// CHECK: 'llm.linear' op has no code on the CPU for weight groups of 128

!x = tensor<?x128xf32, #llm.dims<[T, 128]>>
!w = !llm.weight<[16, 128], #llm.q<i8, 128, sym>>
!y = tensor<?x16xf32, #llm.dims<[T, 16]>>
kern.func @product(%x: !x, %w: !w, %b: !llm.batch) -> !y attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!x, !w) -> !y
  kern.yield %y : !y
}
