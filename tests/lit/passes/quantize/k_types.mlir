// Stored 5-bit and K weights stay as they are; each asks for int8 rows with the bias of its own zero point.
// RUN: llmc-opt %s --llm-quantize | FileCheck %s
// RUN: llmc-opt %s --llm-quantize=scheme=w8 | FileCheck %s --check-prefix=W8

// CHECK-DAG: @five : !llm.weight<[32, 256], #llm.q<i5, 32, sym>>
// CHECK-DAG: @fourk : !llm.weight<[32, 256], #llm.q<i4, 32, asym, k256>>
// CHECK-DAG: @sixk : !llm.weight<[32, 256], #llm.q<i6, 16, sym, k256>>
// CHECK-DAG: %[[X:.*]] = llm.embed
// CHECK-DAG: llm.quantize %[[X]] : {{.*}} -> !llm.qact<[T, 256], zero = 16>
// CHECK-DAG: llm.quantize %[[X]] : {{.*}} -> !llm.qact<[T, 256], zero = 0>
// CHECK-DAG: llm.quantize %[[X]] : {{.*}} -> !llm.qact<[T, 256], zero = 32>
// W8: @fourk : !llm.weight<[32, 256], #llm.q<i8, 32, sym>>
!x = tensor<?x256xf32, #llm.dims<[T, 256]>>
!y = tensor<?x32xf32, #llm.dims<[T, 32]>>
!five = !llm.weight<[32, 256], #llm.q<i5, 32, sym>>
!fourk = !llm.weight<[32, 256], #llm.q<i4, 32, asym, k256>>
!sixk = !llm.weight<[32, 256], #llm.q<i6, 16, sym, k256>>
llm.weight @five : !five {sources = [#llm.source<"five", rows = 32>]}
llm.weight @fourk : !fourk {sources = [#llm.source<"fourk", rows = 32>]}
llm.weight @sixk : !sixk {sources = [#llm.source<"sixk", rows = 32>]}
func.func @forward(%b: !llm.batch) -> !y {
  %five = llm.use @five : !five
  %fourk = llm.use @fourk : !fourk
  %sixk = llm.use @sixk : !sixk
  %x = llm.embed %b, %sixk : (!llm.batch, !sixk) -> !x
  %p = llm.linear %x, %five : (!x, !five) -> !y
  %q = llm.linear %x, %fourk : (!x, !fourk) -> !y
  %r = llm.linear %x, %sixk : (!x, !sixk) -> !y
  %s = llm.add %p, %q : !y
  %t = llm.add %s, %r : !y
  return %t : !y
}
