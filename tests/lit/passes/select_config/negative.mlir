// Only products have classes: every other kernel is one variant for any number of rows.
// RUN: llmc-opt %s --kern-select-config | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
// CHECK: kern.func @pointwise({{.*}}config = [#kern.config<m_max = 0>]
kern.func @pointwise(%x: !x, %b: !llm.batch) -> !x attributes {hero = "pointwise"} {
  %y = llm.act %x {fn = #llm.act_fn<silu>} : !x
  kern.yield %y : !x
}
func.func @decode(%b: !llm.batch, %x: !x) -> !x attributes {llmc.t_max = 8 : i64} {
  %y = kern.call @pointwise(%x, %b) : (!x, !llm.batch) -> !x
  return %y : !x
}
