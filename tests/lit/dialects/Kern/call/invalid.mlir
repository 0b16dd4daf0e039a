// Each rule of kern.call refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @call_c1(%x: !x) {
  // expected-error @+1 {{C1: expected a kern.func named 'call_c1', found none}}
  %y = kern.call @call_c1(%x) : (!x) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!s = tensor<?x64xf32, #llm.dims<[S, 64]>>
kern.func @double(%x: !x) -> !x attributes {hero = "pointwise"} {
  %y = llm.add %x, %x : !x
  kern.yield %y : !x
}
func.func @call_c2(%x: !s) {
  // expected-error @+1 {{C2: expected the type}}
  %y = kern.call @double(%x) : (!s) -> !s
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 64, page = 16>
kern.func @store(%kv: !kv, %x: !x, %b: !llm.batch) attributes {hero = "kv_write"} {
  llm.kv_write %kv, %x, %x, %b {layer = 0} : (!kv, !x, !x, !llm.batch) -> ()
  kern.yield
}
func.func @call_c3(%x: !x, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C3: expected kv_layer exactly when an operand is a cache, found none}}
  kern.call @store(%kv, %x, %b) : (!kv, !x, !llm.batch) -> ()
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
kern.func @double(%x: !x) -> !x attributes {hero = "pointwise"} {
  %y = llm.add %x, %x : !x
  kern.yield %y : !x
}
func.func @call_c3_without(%x: !x) {
  // expected-error @+1 {{C3: expected kv_layer exactly when an operand is a cache, found one without a cache}}
  %y = kern.call @double(%x) {kv_layer = 1} : (!x) -> !x
  return
}
