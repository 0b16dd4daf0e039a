// As many decimals as are asked for, without a negative zero.
// RUN: llmc-opt %s --llm-evaluate="full=true" | FileCheck %s --check-prefix=FIVE
// RUN: llmc-opt %s --llm-evaluate="full=true digits=9" | FileCheck %s --check-prefix=NINE

// FIVE: //   1.00000 0.00000{{$}}
// NINE: //   1.000000123 -0.000000500{{$}}
!x = tensor<?x2xf32, #llm.dims<[T, 2]>>
!w = !llm.weight<[3, 2], #llm.q<f32>>
llm.weight @w : !w {sources = [#llm.source<"w", rows = 3>],
  llm.literal = dense<[[1.000000123, -0.0000005], [1.000000123, -0.0000005], [1.000000123, -0.0000005]]> : tensor<3x2xf64>}
func.func @forward(%b: !llm.batch) -> !x {
  %w = llm.use @w : !w
  %x = llm.embed %b, %w : (!llm.batch, !w) -> !x
  return %x : !x
}
