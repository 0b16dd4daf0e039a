// kern.func prints its signature, hero and variants.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
// CHECK: kern.func @double(%[[X:.*]]: tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>> attributes {config = [#kern.config<m_max = 1>, #kern.config<m_max = 16>, #kern.config<m_max = 0>], fused = ["F9"], hero = "pointwise", origin = ["residual"]} {
// CHECK-NEXT: %[[Y:.*]] = llm.add %[[X]], %[[X]]
// CHECK-NEXT: kern.yield %[[Y]]
kern.func @double(%x: !x) -> !x attributes {hero = "pointwise", origin = ["residual"], fused = ["F9"],
    config = [#kern.config<m_max = 1>, #kern.config<m_max = 16>, #kern.config<m_max = 0>]} {
  %y = llm.add %x, %x : !x
  kern.yield %y : !x
}
