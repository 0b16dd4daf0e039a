// Each rule of llm.attend refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_c1(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C1: expected a layer below 2, found 2}}
  %0 = llm.attend %q, %kv, %b {layer = 2, heads = 2, scale = 0.125} : (!q, !kv, !llm.batch) -> !y
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_c2(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C2: expected heads that are a multiple of 2, found 3}}
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 3, scale = 0.125} : (!q, !kv, !llm.batch) -> !y
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_c3(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C3: expected 128 columns of q, found 64}}
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 4, scale = 0.125} : (!q, !kv, !llm.batch) -> !y
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x16xf32, #llm.dims<[T, 16]>>
func.func @attend_c4(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C4: expected a result [T, 64], found [T, 16]}}
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.125} : (!q, !kv, !llm.batch) -> !y
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_c5_scale(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C5: expected scale, window and softcap of at least 0, found -1}}
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = -1.0} : (!q, !kv, !llm.batch) -> !y
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_c5_window(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C5: expected scale, window and softcap of at least 0}}
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.125, window = -1} : (!q, !kv, !llm.batch) -> !y
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_c5_softcap(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C5: expected scale, window and softcap of at least 0}}
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.125, softcap = -1.0} : (!q, !kv, !llm.batch) -> !y
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[S, 64]>>
!y = tensor<?x64xf32, #llm.dims<[S, 64]>>
func.func @attend_c6(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{C6: expected rows T or a number, found S}}
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.125} : (!q, !kv, !llm.batch) -> !y
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @attend_bf16_products(%q: !q, %kv: !kv, %b: !llm.batch) {
  // expected-error @+1 {{attribute 'bf16_products' failed to satisfy constraint: unit attribute}}
  %0 = llm.attend %q, %kv, %b {layer = 1, heads = 2, scale = 0.125, bf16_products = 1} : (!q, !kv, !llm.batch) -> !q
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!s = !llm.weight<[3], #llm.q<f32>>
func.func @attend_c7_length(%q: !q, %kv: !kv, %b: !llm.batch, %s: !s) {
  // expected-error @+1 {{C7: expected sinks [2] of f32, found '!llm.weight<[3], #llm.q<f32>>'}}
  %0 = llm.attend %q, %kv, %b, %s {layer = 1, heads = 2, scale = 0.125} : (!q, !kv, !llm.batch, !s) -> !q
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!s = !llm.weight<[2], #llm.q<f16>>
func.func @attend_c7_kind(%q: !q, %kv: !kv, %b: !llm.batch, %s: !s) {
  // expected-error @+1 {{C7: expected sinks [2] of f32, found '!llm.weight<[2], #llm.q<f16>>'}}
  %0 = llm.attend %q, %kv, %b, %s {layer = 1, heads = 2, scale = 0.125} : (!q, !kv, !llm.batch, !s) -> !q
  return
}

// -----

!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
!q = tensor<?x64xf32, #llm.dims<[T, 64]>>
!s = !llm.weight<[2, 1], #llm.q<f32>>
func.func @attend_c7_shape(%q: !q, %kv: !kv, %b: !llm.batch, %s: !s) {
  // expected-error @+1 {{C7: expected sinks [2] of f32, found '!llm.weight<[2, 1], #llm.q<f32>>'}}
  %0 = llm.attend %q, %kv, %b, %s {layer = 1, heads = 2, scale = 0.125} : (!q, !kv, !llm.batch, !s) -> !q
  return
}
