// A write stays, and a read after it is not merged with one before it.
// RUN: llmc-opt %s --canonicalize --cse | FileCheck %s

!kv = !llm.kv<layers = 2, heads = 1, dim = 4, page = 16>
!x = tensor<?x4xf32, #llm.dims<[T, 4]>>
// CHECK-LABEL: @effects
func.func @effects(%x: !x, %kv: !kv, %b: !llm.batch) -> (!x, !x, !x) {
  // CHECK: llm.attend
  // CHECK-NEXT: llm.kv_write
  // CHECK-NEXT: %[[AFTER:.*]] = llm.attend
  // CHECK-NEXT: return %{{.*}}, %[[AFTER]], %[[AFTER]]
  %before = llm.attend %x, %kv, %b {layer = 0, heads = 1, scale = 1.0} : (!x, !kv, !llm.batch) -> !x
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  %after = llm.attend %x, %kv, %b {layer = 0, heads = 1, scale = 1.0} : (!x, !kv, !llm.batch) -> !x
  %again = llm.attend %x, %kv, %b {layer = 0, heads = 1, scale = 1.0} : (!x, !kv, !llm.batch) -> !x
  %unused = llm.attend %x, %kv, %b {layer = 0, heads = 1, scale = 2.0} : (!x, !kv, !llm.batch) -> !x
  return %before, %after, %again : !x, !x, !x
}
