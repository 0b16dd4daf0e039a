// Each rule of llm.kv_write refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
!k = tensor<?x32xf32, #llm.dims<[T, 32]>>
!v = tensor<?x32xf32, #llm.dims<[T, 32]>>
func.func @kv_write_c1(%kv: !kv, %k: !k, %v: !v, %b: !llm.batch) {
  // expected-error @+1 {{C1: expected a layer below 2, found 2}}
  llm.kv_write %kv, %k, %v, %b {layer = 2} : (!kv, !k, !v, !llm.batch) -> ()
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
!k = tensor<?x64xf32, #llm.dims<[T, 64]>>
!v = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @kv_write_c2(%kv: !kv, %k: !k, %v: !v, %b: !llm.batch) {
  // expected-error @+1 {{C2: expected 32 columns of k, found 64}}
  llm.kv_write %kv, %k, %v, %b {layer = 1} : (!kv, !k, !v, !llm.batch) -> ()
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
!k = tensor<?x32xf32, #llm.dims<[T, 32]>>
!v = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @kv_write_c3(%kv: !kv, %k: !k, %v: !v, %b: !llm.batch) {
  // expected-error @+1 {{C3: expected v of type}}
  llm.kv_write %kv, %k, %v, %b {layer = 1} : (!kv, !k, !v, !llm.batch) -> ()
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 1, dim = 32, page = 16>
!k = tensor<?x32xf32, #llm.dims<[S, 32]>>
!v = tensor<?x32xf32, #llm.dims<[S, 32]>>
func.func @kv_write_c4(%kv: !kv, %k: !k, %v: !v, %b: !llm.batch) {
  // expected-error @+1 {{C4: expected rows T or a number, found S}}
  llm.kv_write %kv, %k, %v, %b {layer = 1} : (!kv, !k, !v, !llm.batch) -> ()
  return
}
