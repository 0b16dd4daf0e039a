// llm-evaluate says what it cannot run.
// RUN: not llmc-opt %s --llm-evaluate="function=absent" 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: not llmc-opt %s --llm-evaluate="function=unknown" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not llmc-opt %s --llm-evaluate="function=literal" 2>&1 | FileCheck %s --check-prefix=LITERAL
// RUN: not llmc-opt %s --llm-evaluate="function=inputs" 2>&1 | FileCheck %s --check-prefix=INPUTS

// ABSENT: expected a func.func named 'absent', found none
// UNKNOWN: 'arith.addf' op cannot be evaluated: expected an llm or kern op that the interpreter has a rule for
// LITERAL: expected 4 elements in llm.literal, found 3
// INPUTS: expected an input for each tensor argument, found too few
!x = tensor<1x2xf32, #llm.dims<[1, 2]>>
!w = !llm.weight<[2, 2], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 2>], llm.literal = dense<[1.0, 2.0, 3.0]> : tensor<3xf64>}
func.func @unknown() -> !x {
  %x = arith.constant dense<1.0> : !x
  %y = arith.addf %x, %x : !x
  return %y : !x
}
func.func @literal() -> !x {
  %x = arith.constant dense<1.0> : !x
  %w = llm.use @w : !w
  %y = llm.linear %x, %w : (!x, !w) -> !x
  return %y : !x
}
func.func @inputs(%x: !x) -> !x {
  return %x : !x
}
