// kern.dispatch binds its operands to block arguments.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 64], #llm.q<bf16>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 64, page = 16>
func.func @dispatch(%x: !x, %w: !w, %kv: !kv, %b: !llm.batch) -> !x {
  // CHECK: %[[Y:.*]] = kern.dispatch "linear" (%[[BX:.*]] = %{{.*}} : tensor<?x64xf32, #llm.dims<[T, 64]>>, %[[BW:.*]] = %{{.*}} : !llm.weight<[64, 64], #llm.q<bf16>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>> attributes {fused = ["F7"], origin = ["layer 0: o_proj"]} {
  // CHECK-NEXT: %[[L:.*]] = llm.linear %[[BX]], %[[BW]]
  // CHECK-NEXT: %[[S:.*]] = llm.add %[[L]], %[[BX]]
  // CHECK-NEXT: kern.yield %[[S]] : tensor<?x64xf32, #llm.dims<[T, 64]>>
  %y = kern.dispatch "linear" (%bx = %x : !x, %bw = %w : !w) -> !x attributes {origin = ["layer 0: o_proj"], fused = ["F7"]} {
    %l = llm.linear %bx, %bw : (!x, !w) -> !x
    %s = llm.add %l, %bx : !x
    kern.yield %s : !x
  }
  // CHECK: kern.dispatch "kv_write" ({{.*}}) {
  // CHECK: kern.yield
  kern.dispatch "kv_write" (%bkv = %kv : !kv, %bk = %y : !x, %bb = %b : !llm.batch) {
    llm.kv_write %bkv, %bk, %bk, %bb {layer = 1} : (!kv, !x, !x, !llm.batch) -> ()
    kern.yield
  }
  // CHECK: %[[TWO:.*]]:2 = kern.dispatch "norm" (%{{.*}} = %[[Y]] : {{.*}}) -> (tensor<{{.*}}>, !llm.qact<[T, 64], zero = 8>) {
  // CHECK: return %[[TWO]]#0
  %n, %q = kern.dispatch "norm" (%by = %y : !x) -> (!x, !llm.qact<[T, 64], zero = 8>) {
    %bq = llm.quantize %by : (!x) -> !llm.qact<[T, 64], zero = 8>
    kern.yield %by, %bq : !x, !llm.qact<[T, 64], zero = 8>
  }
  return %n : !x
}
