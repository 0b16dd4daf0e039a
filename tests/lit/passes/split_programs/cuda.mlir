// Target cuda, here by the module's attribute: @decode takes any number of sequences with one token each; its attention is cut in
// parts, that of @mixed is not. Near miss: the option says cpu, and it decides.
// RUN: llmc-opt %s --llm-split-programs | FileCheck %s
// RUN: llmc-opt %s --llm-split-programs=target=cpu | FileCheck %s --check-prefix=CPU
// RUN: not llmc-opt %s --llm-split-programs=target=gpu 2>&1 | FileCheck %s --check-prefix=ERROR

// CHECK: func.func @decode({{.*}}llmc.q_max = 1 : i64, llmc.t_max = 0 : i64
// CHECK: llm.attend_partial
// CHECK: llm.attend_merge
// CHECK: func.func @mixed(
// CHECK-NOT: q_max
// CHECK: llmc.t_max = 0 : i64
// CHECK-NOT: llm.attend_partial
// CPU: func.func @decode({{.*}}attributes {llmc.t_max = 4 : i64}
// ERROR: error: unknown target 'gpu', expected cpu or cuda
module attributes {llmc.target = "cuda"} {
func.func @forward(%b: !llm.batch, %kv: !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>, %q: tensor<?x32xf32, #llm.dims<[T, 32]>>)
    -> tensor<?x32xf32, #llm.dims<[T, 32]>> {
  %a = llm.attend %q, %kv, %b {layer = 0, heads = 2, scale = 0.25}
    : (tensor<?x32xf32, #llm.dims<[T, 32]>>, !llm.kv<layers = 1, heads = 1, dim = 16, page = 16>, !llm.batch) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return %a : tensor<?x32xf32, #llm.dims<[T, 32]>>
}
}
