// Two layers with v stored in 8 bits beside q and k in 4: products of one input that ask for different int8 rows.
!t32 = tensor<?x32xf32, #llm.dims<[T, 32]>>
!t40 = tensor<?x40xf32, #llm.dims<[T, 40]>>
!t64 = tensor<?x64xf32, #llm.dims<[T, 64]>>
!t96 = tensor<?x96xf32, #llm.dims<[T, 96]>>
!kv = !llm.kv<layers = 2, heads = 2, dim = 16, page = 1>
#rope = #llm.rope<theta = 1.0e4, dim = 16, style = neox, scaling = none>
module attributes {llmc.max_positions = 512 : i64} {
llm.weight @embedding : !llm.weight<[40, 64], #llm.q<i8, 32, sym>> {sources = [#llm.source<"embedding", rows = 40>]}
llm.weight @layers.0.attention_norm : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"layers.0.attention_norm", rows = 64>]}
llm.weight @layers.0.attention.q : !llm.weight<[64, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.0.attention.q", rows = 64>]}
llm.weight @layers.0.attention.k : !llm.weight<[32, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.0.attention.k", rows = 32>]}
llm.weight @layers.0.attention.v : !llm.weight<[32, 64], #llm.q<i8, 32, sym>> {sources = [#llm.source<"layers.0.attention.v", rows = 32>]}
llm.weight @layers.0.attention.o : !llm.weight<[64, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.0.attention.o", rows = 64>]}
llm.weight @layers.0.mlp_norm : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"layers.0.mlp_norm", rows = 64>]}
llm.weight @layers.0.mlp.gate : !llm.weight<[96, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.0.mlp.gate", rows = 96>]}
llm.weight @layers.0.mlp.up : !llm.weight<[96, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.0.mlp.up", rows = 96>]}
llm.weight @layers.0.mlp.down : !llm.weight<[64, 96], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.0.mlp.down", rows = 64>]}
llm.weight @layers.1.attention_norm : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"layers.1.attention_norm", rows = 64>]}
llm.weight @layers.1.attention.q : !llm.weight<[64, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.1.attention.q", rows = 64>]}
llm.weight @layers.1.attention.k : !llm.weight<[32, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.1.attention.k", rows = 32>]}
llm.weight @layers.1.attention.v : !llm.weight<[32, 64], #llm.q<i8, 32, sym>> {sources = [#llm.source<"layers.1.attention.v", rows = 32>]}
llm.weight @layers.1.attention.o : !llm.weight<[64, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.1.attention.o", rows = 64>]}
llm.weight @layers.1.mlp_norm : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"layers.1.mlp_norm", rows = 64>]}
llm.weight @layers.1.mlp.gate : !llm.weight<[96, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.1.mlp.gate", rows = 96>]}
llm.weight @layers.1.mlp.up : !llm.weight<[96, 64], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.1.mlp.up", rows = 96>]}
llm.weight @layers.1.mlp.down : !llm.weight<[64, 96], #llm.q<i4, 32, asym>> {sources = [#llm.source<"layers.1.mlp.down", rows = 64>]}
llm.weight @norm : !llm.weight<[64], #llm.q<f32>> {sources = [#llm.source<"norm", rows = 64>]}
func.func @forward(%b: !llm.batch, %kv: !kv) -> !t40 {
  %e = llm.use @embedding : !llm.weight<[40, 64], #llm.q<i8, 32, sym>>
  %x0 = llm.embed %b, %e : (!llm.batch, !llm.weight<[40, 64], #llm.q<i8, 32, sym>>) -> !t64
  %w_n0 = llm.use @layers.0.attention_norm : !llm.weight<[64], #llm.q<f32>>
  %n0 = llm.rmsnorm %x0, %w_n0 {eps = 1.0e-5} : (!t64, !llm.weight<[64], #llm.q<f32>>) -> !t64
  %w_q0 = llm.use @layers.0.attention.q : !llm.weight<[64, 64], #llm.q<i4, 32, asym>>
  %q0 = llm.linear %n0, %w_q0 : (!t64, !llm.weight<[64, 64], #llm.q<i4, 32, asym>>) -> !t64
  %w_k0 = llm.use @layers.0.attention.k : !llm.weight<[32, 64], #llm.q<i4, 32, asym>>
  %k0 = llm.linear %n0, %w_k0 : (!t64, !llm.weight<[32, 64], #llm.q<i4, 32, asym>>) -> !t32
  %w_v0 = llm.use @layers.0.attention.v : !llm.weight<[32, 64], #llm.q<i8, 32, sym>>
  %v0 = llm.linear %n0, %w_v0 : (!t64, !llm.weight<[32, 64], #llm.q<i8, 32, sym>>) -> !t32
  %qr0 = llm.rope %q0, %b {rope = #rope, head_dim = 16} : (!t64, !llm.batch) -> !t64
  %kr0 = llm.rope %k0, %b {rope = #rope, head_dim = 16} : (!t32, !llm.batch) -> !t32
  llm.kv_write %kv, %kr0, %v0, %b {layer = 0} : (!kv, !t32, !t32, !llm.batch) -> ()
  %a0 = llm.attend %qr0, %kv, %b {layer = 0, heads = 4, scale = 0.25} : (!t64, !kv, !llm.batch) -> !t64
  %w_o0 = llm.use @layers.0.attention.o : !llm.weight<[64, 64], #llm.q<i4, 32, asym>>
  %o0 = llm.linear %a0, %w_o0 : (!t64, !llm.weight<[64, 64], #llm.q<i4, 32, asym>>) -> !t64
  %h0 = llm.add %x0, %o0 : !t64
  %w_m0 = llm.use @layers.0.mlp_norm : !llm.weight<[64], #llm.q<f32>>
  %m0 = llm.rmsnorm %h0, %w_m0 {eps = 1.0e-5} : (!t64, !llm.weight<[64], #llm.q<f32>>) -> !t64
  %w_g0 = llm.use @layers.0.mlp.gate : !llm.weight<[96, 64], #llm.q<i4, 32, asym>>
  %g0 = llm.linear %m0, %w_g0 : (!t64, !llm.weight<[96, 64], #llm.q<i4, 32, asym>>) -> !t96
  %w_u0 = llm.use @layers.0.mlp.up : !llm.weight<[96, 64], #llm.q<i4, 32, asym>>
  %u0 = llm.linear %m0, %w_u0 : (!t64, !llm.weight<[96, 64], #llm.q<i4, 32, asym>>) -> !t96
  %y0 = llm.glu %g0, %u0 {act = #llm.act_fn<silu>} : (!t96, !t96) -> !t96
  %w_d0 = llm.use @layers.0.mlp.down : !llm.weight<[64, 96], #llm.q<i4, 32, asym>>
  %d0 = llm.linear %y0, %w_d0 : (!t96, !llm.weight<[64, 96], #llm.q<i4, 32, asym>>) -> !t64
  %x1 = llm.add %h0, %d0 : !t64
  %w_n1 = llm.use @layers.1.attention_norm : !llm.weight<[64], #llm.q<f32>>
  %n1 = llm.rmsnorm %x1, %w_n1 {eps = 1.0e-5} : (!t64, !llm.weight<[64], #llm.q<f32>>) -> !t64
  %w_q1 = llm.use @layers.1.attention.q : !llm.weight<[64, 64], #llm.q<i4, 32, asym>>
  %q1 = llm.linear %n1, %w_q1 : (!t64, !llm.weight<[64, 64], #llm.q<i4, 32, asym>>) -> !t64
  %w_k1 = llm.use @layers.1.attention.k : !llm.weight<[32, 64], #llm.q<i4, 32, asym>>
  %k1 = llm.linear %n1, %w_k1 : (!t64, !llm.weight<[32, 64], #llm.q<i4, 32, asym>>) -> !t32
  %w_v1 = llm.use @layers.1.attention.v : !llm.weight<[32, 64], #llm.q<i8, 32, sym>>
  %v1 = llm.linear %n1, %w_v1 : (!t64, !llm.weight<[32, 64], #llm.q<i8, 32, sym>>) -> !t32
  %qr1 = llm.rope %q1, %b {rope = #rope, head_dim = 16} : (!t64, !llm.batch) -> !t64
  %kr1 = llm.rope %k1, %b {rope = #rope, head_dim = 16} : (!t32, !llm.batch) -> !t32
  llm.kv_write %kv, %kr1, %v1, %b {layer = 1} : (!kv, !t32, !t32, !llm.batch) -> ()
  %a1 = llm.attend %qr1, %kv, %b {layer = 1, heads = 4, scale = 0.25} : (!t64, !kv, !llm.batch) -> !t64
  %w_o1 = llm.use @layers.1.attention.o : !llm.weight<[64, 64], #llm.q<i4, 32, asym>>
  %o1 = llm.linear %a1, %w_o1 : (!t64, !llm.weight<[64, 64], #llm.q<i4, 32, asym>>) -> !t64
  %h1 = llm.add %x1, %o1 : !t64
  %w_m1 = llm.use @layers.1.mlp_norm : !llm.weight<[64], #llm.q<f32>>
  %m1 = llm.rmsnorm %h1, %w_m1 {eps = 1.0e-5} : (!t64, !llm.weight<[64], #llm.q<f32>>) -> !t64
  %w_g1 = llm.use @layers.1.mlp.gate : !llm.weight<[96, 64], #llm.q<i4, 32, asym>>
  %g1 = llm.linear %m1, %w_g1 : (!t64, !llm.weight<[96, 64], #llm.q<i4, 32, asym>>) -> !t96
  %w_u1 = llm.use @layers.1.mlp.up : !llm.weight<[96, 64], #llm.q<i4, 32, asym>>
  %u1 = llm.linear %m1, %w_u1 : (!t64, !llm.weight<[96, 64], #llm.q<i4, 32, asym>>) -> !t96
  %y1 = llm.glu %g1, %u1 {act = #llm.act_fn<silu>} : (!t96, !t96) -> !t96
  %w_d1 = llm.use @layers.1.mlp.down : !llm.weight<[64, 96], #llm.q<i4, 32, asym>>
  %d1 = llm.linear %y1, %w_d1 : (!t96, !llm.weight<[64, 96], #llm.q<i4, 32, asym>>) -> !t64
  %x2 = llm.add %h1, %d1 : !t64
  %wn = llm.use @norm : !llm.weight<[64], #llm.q<f32>>
  %n = llm.rmsnorm %x2, %wn {eps = 1.0e-5} : (!t64, !llm.weight<[64], #llm.q<f32>>) -> !t64
  %logits = llm.linear %n, %e : (!t64, !llm.weight<[40, 64], #llm.q<i8, 32, sym>>) -> !t40
  return %logits : !t40
}
}
