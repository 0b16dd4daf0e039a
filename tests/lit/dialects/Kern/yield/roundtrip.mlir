// kern.yield with none, one and several values, in a kern.func and in a kern.dispatch.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 64, page = 16>
// CHECK-LABEL: kern.func @none
// CHECK: kern.yield{{$}}
kern.func @none(%kv: !kv, %x: !x, %b: !llm.batch) attributes {hero = "kv_write"} {
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  kern.yield
}
// CHECK-LABEL: func.func @several
func.func @several(%x: !x) -> (!x, !x) {
  // CHECK: kern.yield %[[X:.*]], %[[X]] : tensor<?x64xf32, #llm.dims<[T, 64]>>, tensor<?x64xf32, #llm.dims<[T, 64]>>
  %a, %c = kern.dispatch "norm" (%bx = %x : !x) -> (!x, !x) {
    kern.yield %bx, %bx : !x, !x
  }
  return %a, %c : !x, !x
}
