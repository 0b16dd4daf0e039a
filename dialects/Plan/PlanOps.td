// Operations of the plan dialect: engine, kernel, program, slot, phase, launch.
#ifndef LLMC_DIALECTS_PLAN_PLANOPS_TD
#define LLMC_DIALECTS_PLAN_PLANOPS_TD

include "dialects/Plan/PlanDialect.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"

def Plan_EngineOp : Plan_Op<"engine", [SymbolTable, SingleBlock, NoTerminator, NoRegionArguments, IsolatedFromAbove]> {
  let summary = "one engine: its facts, kernels and programs";
  let description = [{
    ```mlir
    plan.engine attributes {abi_version = 2 : i64, levels = ["x86-64-v3"], model = {family = "llama", vocab_size = 49152 : i64}, page_tokens = 16 : i64,
                 layer_bytes = 12288 : i64, page_bytes = 368640 : i64} { plan.kernel .. plan.program .. }
    ```
    model holds the fields of the Model table. Weights are the llm.weight symbols of the module around it; names inside are its own, so a
    plan.kernel carries the name of its kern.func.
    C1: it holds plan.kernel and plan.program only. C2: at least one level, each once. C3: page_bytes is a multiple of layer_bytes, both
    multiples of 64. C4: programs rise in (q_max, t_max), where 0 means any and is above all; the last one has 0 and 0. C5: a launch names
    a kernel of this engine and has as many arguments as it. C6: a weight argument names a symbol of the module. C7: target is cpu, with
    q_max 0 everywhere, or cuda, with levels that start with "cuda:" and no bytes counted in workers. C8: kv_kind is f16 or i8, or for cpu f32,
    or for cuda bf16 or e4m3: what keys and values are stored as.
  }];
  let arguments = (ins DictionaryAttr:$model, StrArrayAttr:$levels, Plan_I64Attr:$page_tokens, Plan_I64Attr:$layer_bytes,
                       Plan_I64Attr:$page_bytes, DefaultValuedAttr<Plan_I64Attr, "2">:$abi_version,
                       DefaultValuedAttr<StrAttr, "\"cpu\"">:$target, DefaultValuedAttr<StrAttr, "\"f16\"">:$kv_kind);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::mlir::DictionaryAttr":$model, "::mlir::ArrayAttr":$levels, "int64_t":$pageTokens, "int64_t":$layerBytes,
                                 "int64_t":$pageBytes)>];
  let extraClassDeclaration = [{ ::mlir::Block& getBlock() { return getBody().front(); } }];
}

def Plan_KernelOp : Plan_Op<"kernel", [Symbol, HasParent<"::llmc::plan::EngineOp">]> {
  let summary = "a compiled kernel and its variants";
  let description = [{
    `plan.kernel @linear_0 {m_max = array<i64: 1, 4, 0>, dim = #plan.rows_dim<token>, family = "linear", args = 4 : i64}`.
    scratch_bytes: bytes a worker (the last argument, when not 0). C1: m_max rises and ends with 0. C2: args > 0. C3: scratch_bytes is a
    multiple of 64.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, DenseI64ArrayAttr:$m_max, Plan_RowsDimAttr:$dim, StrAttr:$family, Plan_I64Attr:$args,
                       DefaultValuedAttr<Plan_I64Attr, "0">:$scratch_bytes, OptionalAttr<StrArrayAttr>:$origin, OptionalAttr<StrArrayAttr>:$fused);
  let assemblyFormat = "$sym_name attr-dict";
  let hasVerifier = 1;
}

def Plan_ProgramOp : Plan_Op<"program", [Symbol, SymbolTable, SingleBlock, NoTerminator, NoRegionArguments, HasParent<"::llmc::plan::EngineOp">]> {
  let summary = "the step for at most t_max tokens";
  let description = [{
    ```mlir
    plan.program @decode t_max 8 logits @logits argmax @best tile 128 regions [0, 2304, 196608, 0] { plan.slot .. plan.phase .. }
    ```
    regions: bytes a unit of the fixed, token, row and worker region. t_max 0: any T. `{q_max = 1 : i64}`: steps with at most that many
    tokens of any sequence; 0: any. argmax: where the largest of each tile of logits are (llm.argmax); with it, logits hold only the rows
    that a batch asks for. Without it, all. sample: where the sampled tokens are (llm.sample); with it, logits hold all rows.
    C1: it holds plan.slot and plan.phase only, slots first. C2: regions has 4 entries, multiples of 64. C3: a slot ends inside its region.
    C4: logits, argmax and sample name slots counted in rows. C5: a slot argument names a slot of this program. C6: t_max and q_max >= 0. C7: argmax
    comes with a tile > 0, and a tile with an argmax.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_I64Attr:$t_max, FlatSymbolRefAttr:$logits, OptionalAttr<FlatSymbolRefAttr>:$argmax,
                       OptionalAttr<Plan_I64Attr>:$argmax_tile, OptionalAttr<FlatSymbolRefAttr>:$sample, DenseI64ArrayAttr:$region_bytes,
                       DefaultValuedAttr<Plan_I64Attr, "0">:$q_max);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `t_max` $t_max `logits` $logits (`argmax` $argmax^ `tile` $argmax_tile)? (`sample` $sample^)? `regions` $region_bytes attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "int64_t":$tMax, "::llvm::StringRef":$logits, "::llvm::ArrayRef<int64_t>":$regionBytes)>];
  let extraClassDeclaration = [{ ::mlir::Block& getBlock() { return getBody().front(); } }];
}

def Plan_SlotOp : Plan_Op<"slot", [Symbol, HasParent<"::llmc::plan::ProgramOp">]> {
  let summary = "a piece of the arena, bytes * N(unit) long, at offset * N(unit) in the region of its unit";
  let description = [{ `plan.slot @x token offset 0 bytes 2304`. C1: offset and bytes are multiples of 64, offset >= 0, bytes > 0. }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_SlotUnit:$unit, Plan_I64Attr:$offset, Plan_I64Attr:$bytes);
  let assemblyFormat = "$sym_name $unit `offset` $offset `bytes` $bytes attr-dict";
  let hasVerifier = 1;
}

def Plan_PhaseOp : Plan_Op<"phase", [SingleBlock, NoTerminator, NoRegionArguments, HasParent<"::llmc::plan::ProgramOp">]> {
  let summary = "launches that may run side by side; all workers meet at its end";
  let description = [{ C1: it holds at least one plan.launch and nothing else. }];
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins)>];
  let extraClassDeclaration = [{ ::mlir::Block& getBlock() { return getBody().front(); } }];
}

def Plan_LaunchOp : Plan_Op<"launch", [HasParent<"::llmc::plan::PhaseOp">]> {
  let summary = "one run of a kernel";
  let description = [{
    `plan.launch @linear_0 [#plan.arg<slot, @x>, #plan.arg<weight, @wq>, #plan.arg<slot, @q>] {layer = 3 : i64}`; layer is for people, -1: none.
    C1: the parent is a plan.phase. Kernel, number of arguments and weights are rules of plan.engine (its C5, C6), slots of plan.program.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, TypedArrayAttrBase<Plan_ArgAttr, "array of #plan.arg">:$args,
                       DefaultValuedAttr<Plan_I64Attr, "-1">:$layer);
  let assemblyFormat = "$kernel $args attr-dict";
}

#endif // LLMC_DIALECTS_PLAN_PLANOPS_TD
