// Row classes of a product follow from the programs that call it; the head in the mixed program still meets a single row.
// RUN: llmc-opt %s --kern-select-config | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!s = tensor<?x32xf32, #llm.dims<[S, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
// CHECK: kern.func @few({{.*}}config = [#kern.config<m_max = 1>, #kern.config<m_max = 4>]
kern.func @few(%x: !x, %w: !w, %b: !llm.batch) -> !x attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %y : !x
}
// CHECK: kern.func @many({{.*}}config = [#kern.config<m_max = 16>, #kern.config<m_max = 64>, #kern.config<m_max = 0>]
kern.func @many(%x: !x, %w: !w, %b: !llm.batch) -> !x attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %y : !x
}
// CHECK: kern.func @both({{.*}}config = [#kern.config<m_max = 1>, #kern.config<m_max = 4>, #kern.config<m_max = 16>, #kern.config<m_max = 64>, #kern.config<m_max = 0>]
kern.func @both(%x: !x, %w: !w, %b: !llm.batch) -> !x attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!x, !w) -> !x
  kern.yield %y : !x
}
// CHECK: kern.func @head({{.*}}config = [#kern.config<m_max = 1>, #kern.config<m_max = 4>, #kern.config<m_max = 16>, #kern.config<m_max = 64>, #kern.config<m_max = 0>]
kern.func @head(%x: !s, %w: !w, %b: !llm.batch) -> !s attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!s, !w) -> !s
  kern.yield %y : !s
}
func.func @decode(%b: !llm.batch, %x: !x) -> !x attributes {llmc.t_max = 8 : i64} {
  %w = llm.use @w : !w
  %y = kern.call @few(%x, %w, %b) : (!x, !w, !llm.batch) -> !x
  %z = kern.call @both(%y, %w, %b) : (!x, !w, !llm.batch) -> !x
  return %z : !x
}
func.func @mixed(%b: !llm.batch, %x: !x, %s: !s) -> !s attributes {llmc.t_max = 0 : i64} {
  %w = llm.use @w : !w
  %y = kern.call @many(%x, %w, %b) : (!x, !w, !llm.batch) -> !x
  %z = kern.call @both(%y, %w, %b) : (!x, !w, !llm.batch) -> !x
  %l = kern.call @head(%s, %w, %b) : (!s, !w, !llm.batch) -> !s
  return %l : !s
}
