// The page becomes 16 tokens in arguments and in the signature.
// RUN: llmc-opt %s --llm-choose-kv-layout | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
!kv = !llm.kv<layers = 1, heads = 2, dim = 16, page = 1>
// CHECK-NOT: page = 1>
// CHECK: func.func @forward({{.*}}!llm.kv<layers = 1, heads = 2, dim = 16, page = 16>
// CHECK: llm.kv_write {{.*}}page = 16>
// CHECK-NOT: page = 1>
func.func @forward(%b: !llm.batch, %kv: !kv, %x: !x) {
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  return
}
