// Target cuda: the engine names it and the kernel ABI of cuda_abi.h; programs are ordered by tokens a sequence; bf16 rows take half the
// bytes. Near miss: the option says cpu, and q_max is none of its programs' bounds.
// RUN: llmc-opt %s --plan-build | FileCheck %s
// A cache of int8: 16 codes and 4 bytes of a scale a token and head, for K and V.
// RUN: sed 's/page = 16>/page = 16, kind = i8>/' %s | llmc-opt --plan-build | FileCheck %s --check-prefix=INT8
// RUN: not llmc-opt %s --plan-build=target=cpu 2>&1 | FileCheck %s --check-prefix=CPU
// RUN: not llmc-opt %s --plan-build=target=dsp 2>&1 | FileCheck %s --check-prefix=ERROR

// CPU: error: 'plan.program' op C7 of plan.engine: expected q_max 0 for target cpu, found 1
// ERROR: error: unknown target 'dsp', expected cpu or cuda
// INT8: plan.engine
// INT8-SAME: kv_kind = "i8"
// INT8-SAME: layer_bytes = 640 : i64
// INT8-SAME: page_bytes = 1280 : i64
// CHECK: plan.engine
// CHECK-NOT: kv_kind
// CHECK-SAME: layer_bytes = 1024 : i64
// CHECK-SAME: levels = ["cuda:sm_80"]
// CHECK-SAME: target = "cuda"
// CHECK: plan.program @decode t_max 0 logits @v2 regions [0, 384, 192, 0] attributes {q_max = 1 : i64}
// CHECK: plan.slot @v0 token offset 0 bytes 192
// CHECK: plan.slot @v1 token offset 192 bytes 192
// CHECK: plan.slot @v2 row offset 0 bytes 192
// CHECK: plan.program @mixed t_max 0 logits @v1 regions [0, 192, 192, 0] {
!x = tensor<?x48xf32, #llm.dims<[T, 48]>>
!h = tensor<?x48xbf16, #llm.dims<[T, 48]>>
!s = tensor<?x48xf32, #llm.dims<[S, 48]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 16, page = 16>
!w = !llm.weight<[48, 48], #llm.q<f16>>
module attributes {llmc.target = "cuda"} {
llm.weight @w : !llm.weight<[48, 48], #llm.q<f16>> {sources = [#llm.source<"w", rows = 48>]}
kern.func @embed(%b: !llm.batch, %w: !w) -> !x attributes {hero = "embed"} {
  %y = llm.embed %b, %w : (!llm.batch, !w) -> !x
  kern.yield %y : !x
}
kern.func @cast(%x: !x, %b: !llm.batch) -> !h attributes {hero = "pointwise"} {
  %y = llm.cast %x : (!x) -> !h
  kern.yield %y : !h
}
kern.func @select(%x: !x, %b: !llm.batch) -> !s attributes {hero = "pointwise"} {
  %y = llm.select_rows %x, %b : (!x, !llm.batch) -> !s
  kern.yield %y : !s
}
func.func @mixed(%b: !llm.batch, %kv: !kv) -> !s attributes {llmc.t_max = 0 : i64} {
  %w = llm.use @w : !w
  %x = kern.call @embed(%b, %w) : (!llm.batch, !w) -> !x
  %s = kern.call @select(%x, %b) : (!x, !llm.batch) -> !s
  return %s : !s
}
func.func @decode(%b: !llm.batch, %kv: !kv) -> !s attributes {llmc.t_max = 0 : i64, llmc.q_max = 1 : i64} {
  %w = llm.use @w : !w
  %x = kern.call @embed(%b, %w) : (!llm.batch, !w) -> !x
  %h = kern.call @cast(%x, %b) : (!x, !llm.batch) -> !h
  %s = kern.call @select(%x, %b) : (!x, !llm.batch) -> !s
  return %s : !s
}
}
