// Each rule of #plan.arg refuses its counterexample.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{C1: expected a name for slot, found none}}
module attributes {plan.arg_c1_slot = #plan.arg<slot, 64>} {}

// -----

// expected-error @+1 {{C1: expected no name for kv, found cache}}
module attributes {plan.arg_c1_kv = #plan.arg<kv, @cache>} {}

// -----

// expected-error @+1 {{C2: expected an offset of at least 0, found -64}}
module attributes {plan.arg_c2 = #plan.arg<kv, -64>} {}

// -----

// expected-error @+1 {{C2: expected an offset of 0 for batch, found 64}}
module attributes {plan.arg_c2_batch = #plan.arg<batch, 64>} {}

// -----

// expected-error @+1 {{expected slot, weight, kv or batch, found 'buffer'}}
module attributes {plan.arg_kind = #plan.arg<buffer, @x>} {}
