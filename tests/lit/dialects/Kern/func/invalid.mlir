// Each rule of kern.func refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
// expected-error @+1 {{C1: expected hero to be linear, norm, attend, embed, kv_write, pointwise, argmax or sample, found ''}}
kern.func @func_c1(%x: !x) -> !x attributes {hero = ""} {
  %y = llm.add %x, %x : !x
  kern.yield %y : !x
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
// expected-error @+1 {{C2: expected llm ops only, found 'arith.constant'}}
kern.func @func_c2(%x: !x) -> !x attributes {hero = "pointwise"} {
  %c = arith.constant 0 : i32
  kern.yield %x : !x
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
// expected-error @+1 {{C3: expected kern.yield of}}
kern.func @func_c3(%x: !x) -> tensor<?x32xf32, #llm.dims<[T, 32]>> attributes {hero = "pointwise"} {
  %y = llm.add %x, %x : !x
  kern.yield %y : !x
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!kv = !llm.kv<layers = 2, heads = 1, dim = 64, page = 16>
// expected-error @+1 {{C4: expected layer = 0 in 'llm.kv_write', found 1}}
kern.func @func_c4(%kv: !kv, %x: !x, %b: !llm.batch) attributes {hero = "kv_write"} {
  llm.kv_write %kv, %x, %x, %b {layer = 1} : (!kv, !x, !x, !llm.batch) -> ()
  kern.yield
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
// expected-error @+1 {{C5: expected config to rise in m_max, found 4 too late}}
kern.func @func_c5(%x: !x) -> !x attributes {hero = "pointwise", config = [#kern.config<m_max = 0>, #kern.config<m_max = 4>]} {
  %y = llm.add %x, %x : !x
  kern.yield %y : !x
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
// expected-error @+1 {{C6: expected a body}}
kern.func @func_c6(!x) -> !x attributes {hero = "pointwise"}
