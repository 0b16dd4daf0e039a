// An engine for CUDA: levels are architectures, programs are bounded by tokens a sequence.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

// CHECK: plan.engine attributes {layer_bytes = 12288 : i64, levels = ["cuda:sm_90a"], model = {}, page_bytes = 368640 : i64, page_tokens = 16 : i64, target = "cuda"} {
plan.engine attributes {levels = ["cuda:sm_90a"], model = {}, page_tokens = 16 : i64, layer_bytes = 12288 : i64, page_bytes = 368640 : i64, target = "cuda"} {
  // CHECK: plan.program @decode t_max 0 logits @logits regions [0, 0, 4160, 0] attributes {q_max = 1 : i64} {
  plan.program @decode t_max 0 logits @logits regions [0, 0, 4160, 0] attributes {q_max = 1 : i64} {
    plan.slot @logits row offset 0 bytes 4160
  }
  // CHECK: plan.program @few t_max 64 logits @logits regions [0, 0, 4160, 0] {
  plan.program @few t_max 64 logits @logits regions [0, 0, 4160, 0] {
    plan.slot @logits row offset 0 bytes 4160
  }
  // CHECK: plan.program @mixed t_max 0 logits @logits regions [0, 0, 4160, 0] {
  plan.program @mixed t_max 0 logits @logits regions [0, 0, 4160, 0] {
    plan.slot @logits row offset 0 bytes 4160
  }
}
