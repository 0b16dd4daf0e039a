// The page becomes 16 tokens in arguments and in the signature.
// RUN: llmc-opt %s --llm-choose-kv-layout | FileCheck %s

!x = tensor<?x32xf32, #llm.dims<[T, 32]>>
// What the cache stores; near miss: auto is f16 everywhere.
// RUN: llmc-opt %s --llm-choose-kv-layout="target=cuda cache=int8" | FileCheck %s --check-prefix=INT8
// RUN: llmc-opt %s --llm-choose-kv-layout="cache=f32" | FileCheck %s --check-prefix=F32
// RUN: llmc-opt %s --llm-choose-kv-layout="cache=int8" | FileCheck %s --check-prefix=INT8
// RUN: llmc-opt %s --llm-choose-kv-layout="target=cuda cache=fp8" | FileCheck %s --check-prefix=FP8
// RUN: llmc-opt %s --llm-choose-kv-layout="target=cuda cache=bf16" | FileCheck %s --check-prefix=BF16
// RUN: llmc-opt %s --llm-choose-kv-layout="target=cuda" | FileCheck %s --check-prefix=AUTO
// F32: page = 16, kind = f32>
// INT8: page = 16, kind = i8>
// FP8: page = 16, kind = e4m3>
// BF16: page = 16, kind = bf16>
// AUTO: page = 16>
!kv = !llm.kv<layers = 1, heads = 2, dim = 16, page = 1>
// CHECK-NOT: page = 1>
// CHECK: func.func @forward({{.*}}!llm.kv<layers = 1, heads = 2, dim = 16, page = 16>
// CHECK: llm.kv_write {{.*}}page = 16>
// CHECK-NOT: page = 1>
func.func @forward(%b: !llm.batch, %kv: !kv, %x: !x) {
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  return
}
