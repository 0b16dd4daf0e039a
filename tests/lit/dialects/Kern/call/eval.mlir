// A shared body touches the layer that the call names.
// RUN: llmc-opt %s --llm-evaluate="function=eval full=true tokens=1 sequences=1 past=0 steps=1" | FileCheck %s

// Layer 1 got (3, 4) and layer 0 got (1, 2); one key is attended to with weight 1.
// CHECK: // eval step 0 result 0 [1, 2]
// CHECK-NEXT: // 1.00000 2.00000
// CHECK: // eval step 0 result 1 [1, 2]
// CHECK-NEXT: // 3.00000 4.00000
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 2, page = 16>
kern.func @store(%kv: !kv, %x: !x, %b: !llm.batch) attributes {hero = "kv_write"} {
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  kern.yield
}
kern.func @read(%kv: !kv, %x: !x, %b: !llm.batch) -> !x attributes {hero = "attend"} {
  %y = llm.attend %x, %kv, %b {layer = 0, heads = 1, scale = 1.0} : (!x, !kv, !llm.batch) -> !x
  kern.yield %y : !x
}
func.func @eval(%b: !llm.batch, %kv: !kv) -> (!x, !x) {
  %zero = arith.constant dense<[[1.0, 2.0]]> : !x
  %one = arith.constant dense<[[3.0, 4.0]]> : !x
  kern.call @store(%kv, %zero, %b) {kv_layer = 0} : (!kv, !x, !llm.batch) -> ()
  kern.call @store(%kv, %one, %b) {kv_layer = 1} : (!kv, !x, !llm.batch) -> ()
  %y0 = kern.call @read(%kv, %one, %b) {kv_layer = 0} : (!kv, !x, !llm.batch) -> !x
  %y1 = kern.call @read(%kv, %one, %b) {kv_layer = 1} : (!kv, !x, !llm.batch) -> !x
  return %y0, %y1 : !x, !x
}
