// Each rule of llm.embed refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @embed_c1(%b: !llm.batch, %table: !llm.weight<[64], #llm.q<f32>>) {
  // expected-error @+1 {{C1: expected a table [V, H], found '!llm.weight<[64], #llm.q<f32>>'}}
  %0 = llm.embed %b, %table : (!llm.batch, !llm.weight<[64], #llm.q<f32>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
  return
}

// -----

func.func @embed_c2(%b: !llm.batch, %table: !llm.weight<[96, 64], #llm.q<f32>>) {
  // expected-error @+1 {{C2: expected 64 columns, found 32}}
  %0 = llm.embed %b, %table : (!llm.batch, !llm.weight<[96, 64], #llm.q<f32>>) -> tensor<?x32xf32, #llm.dims<[T, 32]>>
  return
}

// -----

func.func @embed_c3(%b: !llm.batch, %table: !llm.weight<[96, 64], #llm.q<f32>>) {
  // expected-error @+1 {{C3: expected rows T or a number, found S}}
  %0 = llm.embed %b, %table : (!llm.batch, !llm.weight<[96, 64], #llm.q<f32>>) -> tensor<?x64xf32, #llm.dims<[S, 64]>>
  return
}

// -----

func.func @embed_f16(%b: !llm.batch, %table: !llm.weight<[96, 64], #llm.q<f32>>) {
  // expected-error @+1 {{result #0 must be f32 activation [rows, columns] with #llm.dims}}
  %0 = llm.embed %b, %table : (!llm.batch, !llm.weight<[96, 64], #llm.q<f32>>) -> tensor<?x64xf16, #llm.dims<[T, 64]>>
  return
}
