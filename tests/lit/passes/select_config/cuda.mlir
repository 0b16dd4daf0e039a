// Target cuda: products have the tiles of tokens that tensor cores take, whichever programs call them; from 2^22 weights on chunks of prompts have
// their own. Near misses: a norm has one variant, a row less has no chunks.
// RUN: llmc-opt %s --kern-select-config=target=cuda | FileCheck %s
// RUN: not llmc-opt %s --kern-select-config=target=tpu 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: unknown target 'tpu', expected cpu or cuda
!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!h = tensor<?x32xbf16, #llm.dims<[T, 32]>>
!w = !llm.weight<[32, 32], #llm.q<f16>>
!n = !llm.weight<[32], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 32>]}
llm.weight @n : !n {sources = [#llm.source<"n", rows = 32>]}
// CHECK: kern.func @product({{.*}}config = [#kern.config<m_max = 8>, #kern.config<m_max = 16>, #kern.config<m_max = 32>, #kern.config<m_max = 64>, #kern.config<m_max = 0>]
kern.func @product(%x: !h, %w: !w, %b: !llm.batch) -> !x attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!h, !w) -> !x
  kern.yield %y : !x
}
// CHECK: kern.func @chunked({{.*}}<m_max = 64>, #kern.config<m_max = 512>, #kern.config<m_max = 0>]
kern.func @chunked(%x: !h, %w: !llm.weight<[131072, 32], #llm.q<f16>>, %b: !llm.batch) -> tensor<?x131072xf32, #llm.dims<[T, 131072]>> attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!h, !llm.weight<[131072, 32], #llm.q<f16>>) -> tensor<?x131072xf32, #llm.dims<[T, 131072]>>
  kern.yield %y : tensor<?x131072xf32, #llm.dims<[T, 131072]>>
}
// CHECK: kern.func @less({{.*}}<m_max = 64>, #kern.config<m_max = 0>]
kern.func @less(%x: !h, %w: !llm.weight<[131071, 32], #llm.q<f16>>, %b: !llm.batch) -> tensor<?x131071xf32, #llm.dims<[T, 131071]>> attributes {hero = "linear"} {
  %y = llm.linear %x, %w : (!h, !llm.weight<[131071, 32], #llm.q<f16>>) -> tensor<?x131071xf32, #llm.dims<[T, 131071]>>
  kern.yield %y : tensor<?x131071xf32, #llm.dims<[T, 131071]>>
}
// CHECK: kern.func @norm({{.*}}config = [#kern.config<m_max = 0>]
kern.func @norm(%x: !x, %n: !n, %b: !llm.batch) -> !h attributes {hero = "norm"} {
  %y = llm.rmsnorm %x, %n {eps = 1.0e-5} : (!x, !n) -> !x
  %h = llm.cast %y : (!x) -> !h
  kern.yield %h : !h
}
func.func @decode(%b: !llm.batch, %x: !x) -> !x attributes {llmc.t_max = 0 : i64, llmc.q_max = 1 : i64} {
  %w = llm.use @w : !w
  %n = llm.use @n : !n
  %h = kern.call @norm(%x, %n, %b) : (!x, !n, !llm.batch) -> !h
  %y = kern.call @product(%h, %w, %b) : (!h, !w, !llm.batch) -> !x
  return %y : !x
}
