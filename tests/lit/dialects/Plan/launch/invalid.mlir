// C1: plan.launch stands in a phase, where the barrier after it is known.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @launch_c1() {
  // expected-error @+1 {{expects parent op 'plan.phase'}}
  plan.launch @k [#plan.arg<batch>]
  return
}
