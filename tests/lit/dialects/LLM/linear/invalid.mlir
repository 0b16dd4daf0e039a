// Each rule of llm.linear refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64], #llm.q<f32>>
func.func @linear_c1(%x: !x, %w: !w) {
  // expected-error @+1 {{C1: expected a weight [N, K], found '!llm.weight<[64], #llm.q<f32>>'}}
  %0 = llm.linear %x, %w : (!x, !w) -> !x
  return
}

// -----

!x = tensor<?x64xf16, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 64], #llm.q<f16>>
func.func @linear_halves(%x: !x, %w: !w) {
  // expected-error @+1 {{operand #0 must be f32, bf16 or quantized activation}}
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 32], #llm.q<f32>>
func.func @linear_c2(%x: !x, %w: !w) {
  // expected-error @+1 {{C2: expected 32 columns of x, found 64}}
  %0 = llm.linear %x, %w : (!x, !w) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[96, 64], #llm.q<f32>>
func.func @linear_c3(%x: !x, %w: !w) {
  // expected-error @+1 {{C3: expected a result [T, 96], found [T, 64]}}
  %0 = llm.linear %x, %w : (!x, !w) -> !x
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x64xf32, #llm.dims<[S, 64]>>
!w = !llm.weight<[64, 64], #llm.q<f32>>
func.func @linear_c3_rows(%x: !x, %w: !w) {
  // expected-error @+1 {{C3: expected a result [T, 64], found [S, 64]}}
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  return
}

// -----

!x = !llm.qact<[T, 64], zero = 8>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 64], #llm.q<i4, 64, sym>>
func.func @linear_c4_group(%x: !x, %w: !w) {
  // expected-error @+1 {{C4: expected an integer weight of group 32, or of 16, for a quantized x, found #llm.q<i4, 64, sym>}}
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  return
}

// -----

!x = !llm.qact<[T, 64], zero = 8>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 64], #llm.q<i8, 32, sym>>
func.func @linear_c4_zero(%x: !x, %w: !w) {
  // expected-error @+1 {{C4: expected x quantized with zero = 128, found 8}}
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 64], #llm.q<f32>>
!bias = !llm.weight<[96], #llm.q<f32>>
func.func @linear_c5(%x: !x, %w: !w, %bias: !bias) {
  // expected-error @+1 {{C5: expected bias [64], found '!llm.weight<[96], #llm.q<f32>>'}}
  %0 = llm.linear %x, %w, %bias : (!x, !w, !bias) -> !x
  return
}

// -----

!x = !llm.qact<[T, 64], e4m3>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 64], #llm.q<i8, 32, sym>>
func.func @linear_c4_e4m3(%x: !x, %w: !w) {
  // expected-error @+1 {{C4: expected an e4m3 weight for x of e4m3, found #llm.q<i8, 32, sym>}}
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  return
}

// -----

!x = !llm.qact<[T, 64], zero = 128>
!y = tensor<?x64xf32, #llm.dims<[T, 64]>>
!w = !llm.weight<[64, 64], #llm.q<e4m3>>
func.func @linear_c4_int8_e4m3(%x: !x, %w: !w) {
  // expected-error @+1 {{C4: expected an integer weight of group 32, or of 16, for a quantized x, found #llm.q<e4m3>}}
  %0 = llm.linear %x, %w : (!x, !w) -> !y
  return
}
