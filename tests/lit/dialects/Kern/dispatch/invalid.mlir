// Each rule of kern.dispatch refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @dispatch_c1(%x: !x) {
  // expected-error @+1 {{C1: expected hero to be linear, norm, attend, embed, kv_write, pointwise, argmax or sample, found 'matmul'}}
  %y = kern.dispatch "matmul" (%bx = %x : !x) -> !x {
    %s = llm.add %bx, %bx : !x
    kern.yield %s : !x
  }
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
!y = tensor<?x32xf32, #llm.dims<[T, 32]>>
func.func @dispatch_c2(%x: !x) {
  // expected-error @+1 {{C2: expected block arguments ('tensor<?x64xf32, #llm.dims<[T, 64]>>'), found ('tensor<?x32xf32, #llm.dims<[T, 32]>>')}}
  %y = "kern.dispatch"(%x) <{hero = "pointwise"}> ({
  ^bb0(%bx: !y):
    "kern.yield"(%bx) : (!y) -> ()
  }) : (!x) -> !y
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @dispatch_c3(%x: !x) {
  // expected-error @+1 {{C3: expected llm ops only, found 'arith.constant'}}
  %y = kern.dispatch "pointwise" (%bx = %x : !x) -> !x {
    %c = arith.constant 0 : i32
    kern.yield %bx : !x
  }
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @dispatch_c4(%x: !x) {
  // expected-error @+1 {{C4: expected kern.yield of ('tensor<?x32xf32, #llm.dims<[T, 32]>>'), found}}
  %y = kern.dispatch "pointwise" (%bx = %x : !x) -> tensor<?x32xf32, #llm.dims<[T, 32]>> {
    %s = llm.add %bx, %bx : !x
    kern.yield %s : !x
  }
  return
}

// -----

!x = tensor<?x64xf32, #llm.dims<[T, 64]>>
func.func @dispatch_isolated(%x: !x) {
  // expected-note @+1 {{required by region isolation constraints}}
  %y = kern.dispatch "pointwise" (%bx = %x : !x) -> !x {
    // expected-error @+1 {{using value defined outside the region}}
    %s = llm.add %bx, %x : !x
    kern.yield %s : !x
  }
  return
}
