// C1: kern.yield ends a kernel and nothing else.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @yield_parent() {
  // expected-error @+1 {{expects parent op to be one of 'kern.dispatch, kern.func'}}
  kern.yield
}
