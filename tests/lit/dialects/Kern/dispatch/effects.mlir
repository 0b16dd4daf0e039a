// A dispatch has the effects of its body: a pure one without readers goes away, a cache write stays.
// RUN: llmc-opt %s --canonicalize | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!kv = !llm.kv<layers = 1, heads = 1, dim = 64, page = 16>
// CHECK-LABEL: @effects
func.func @effects(%x: !x, %kv: !kv, %b: !llm.batch) {
  // CHECK-NEXT: kern.dispatch "kv_write"
  // CHECK-NOT: "pointwise"
  kern.dispatch "kv_write" (%bkv = %kv : !kv, %bx = %x : !x, %bb = %b : !llm.batch) {
    llm.kv_write %bkv, %bx, %bx, %bb {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
    kern.yield
  }
  %unused = kern.dispatch "pointwise" (%bx = %x : !x) -> !x {
    %s = llm.add %bx, %bx : !x
    kern.yield %s : !x
  }
  return
}
