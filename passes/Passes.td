// Declarations of all passes: why each exists, IR before and after, limits.
#ifndef LLMC_PASSES_PASSES_TD
#define LLMC_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

class LlmcPass<string flag, string op = "::mlir::ModuleOp"> : Pass<flag, op> {
  let dependentDialects = ["::llmc::llm::LLMDialect", "::llmc::kern::KernDialect", "::mlir::func::FuncDialect"];
}

/// What passes do differently for a CUDA device they take from the module; the option is for tests of single passes.
defvar targetOption = Option<"target", "target", "std::string", "\"\"", "cpu or cuda; empty: the module attribute llmc.target, else cpu">;

def VerifyModel : LlmcPass<"llm-verify-model"> {
  let summary = "checks what single ops cannot see: one @forward, its signature, every weight used, every layer cached once";
  let description = [{
    Why: an importer mistake should be an error on the op that shows it, not a wrong answer at run time.
    Before and after: the same IR, or an error.
    Limits: shapes and types of single ops are their verifiers' work.
  }];
}

def FuseHorizontal : LlmcPass<"llm-fuse-horizontal"> {
  let summary = "several products of one input become one: QKV rows concatenated, gate and up rows interleaved (F3, F4)";
  let description = [{
    Why: one pass over the input, one launch and one barrier instead of three; gate and up land in one register tile.
    Before: `%q = llm.linear %x, %wq  %k = llm.linear %x, %wk  %v = llm.linear %x, %wv`
    After:  `%qkv = llm.linear %x, %wqkv  %q = llm.slice %qkv {offset = 0, size = 576} ...`
    Before: `llm.glu (llm.linear %x, %wg), (llm.linear %x, %wu)`
    After:  `llm.glu (llm.linear %x, %w_gate_up) {interleave = 16}`
    Limits: equal K and storage; rows a multiple of 16; either all have a bias or none. A refused group leaves a remark.
  }];
}

def Quantize : LlmcPass<"llm-quantize"> {
  let summary = "chooses each weight's storage and where activations become int8";
  let description = [{
    Why: storage decides the bytes read a token; integer products decide the speed of long prompts.
    Before: `llm.linear %x, %w : (tensor<?x576xf32, ..>, !llm.weight<[960, 576], #llm.q<i4, 32, asym>>)`
    After:  `%q = llm.quantize %x : .. -> !llm.qact<[T, 576], zero = 0>  llm.linear %q, %w`
    scheme: native keeps what the file has; w16 stores f16 (bf16 stays); w8, w4 quantize matrices in groups of 32, with the embedding and
    the head at 8 bit; under w4 group-size = 128 gives the others one scale for 128 columns, 4.25 bits a weight on a device. The CPU takes such
    groups, too, but stores a scale for each 32 of them. One quantize serves all products that ask for the same zero. Where a product has become int8, `llm.attend` gets
    bf16_products: its rounding is far below that of int8.
    For cuda products read bf16: `%h = llm.cast %x : .. -> tensor<?x576xbf16, ..>  llm.linear %h, %w`, one cast for all products of an
    input; matrices that the file has in f32 become f16, with a remark.
    fp8 stores e4m3 with a scale a row, but the embedding and the head as w16 does; x of such a product becomes e4m3 with a scale a token,
    `%q = llm.quantize %x : .. -> !llm.qact<[T, 576], e4m3>`. A CPU has no such products: it multiplies f32 that `llm.round_rows` and the packer
    have rounded to the same numbers, which is for measuring.
    Integer weights that a scheme stores as floats are expanded by the build, not by the products (F12), with a remark.
    Products with bf16 weights get bf16_products, but for the head: codegen rounds their inputs where a CPU multiplies bf16 and a step has many
    rows. activations = bf16 leaves inputs of integer weights in float.
    Limits: vectors (norms, biases) stay f32; activations = f32 leaves all products in float, int8 those with float weights.
    For cuda activations are auto or bf16.
  }];
  let options = [
    Option<"scheme", "scheme", "std::string", "\"native\"", "native, w16, w8, w4 or fp8">,
    Option<"groupSize", "group-size", "int64_t", "32", "columns that share a scale under w4: 32 or 128">,
    Option<"activations", "activations", "std::string", "\"auto\"", "auto (int8 where weights are integers, bf16 where they are bf16; cuda: bf16), int8, f32 or bf16">,
    targetOption];
}

def InsertSelectRows : LlmcPass<"llm-insert-select-rows"> {
  let summary = "only the rows that will be sampled reach the final norm and the head";
  let description = [{
    Why: a 512-token prompt needs one row of logits, not 512; the head is a fifth to a third of a small model.
    Before: `%n = llm.rmsnorm %x  %l = llm.linear %n, %head : [T, V]  return %l`
    After:  `%s = llm.select_rows %x, %batch : [S, H]  %n = llm.rmsnorm %s  %l = llm.linear %n, %head : [S, V]  return %l`
    Limits: follows single-use row-wise ops back from the result; stops at the first other op.
  }];
}

def InsertArgmax : LlmcPass<"llm-insert-argmax"> {
  let summary = "the best token of each tile of logits beside them; logits themselves for rows that ask for them (F8)";
  let description = [{
    Why: greedy decoding of 32 sequences wrote 6 MB of logits a step and read them again for 32 numbers.
    Before: `return %l : [S, V]`
    After:  `%k = llm.keep_rows %l, %batch : [S, V]  %a = llm.argmax %l {tile = 128} : [S, 2 * ceil(V / 128)]  return %k, %a`
    The runtime takes the first largest tile: that is sampling.
    For cuda the logits stay whole on the device, tiles have 1024 columns, and the token comes with them:
    `%a = llm.argmax %l {tile = 1024}  %t = llm.sample %l, %a, %batch : [S, 1]  return %l, %a, %t`; rows of more than 2^19 columns have none.
    Limits: f32 logits of selected rows; others stay as they are, with a remark.
  }];
  let options = [targetOption];
}

def ChooseKvLayout : LlmcPass<"llm-choose-kv-layout"> {
  let summary = "fixes the page of the cache: 16 tokens, the width of a score vector; and what it stores";
  let description = [{
    Why: with 16 tokens a page of keys [D][16] gives one vector of scores an FMA, at every level.
    Before: `!llm.kv<layers = 30, heads = 3, dim = 64, page = 1>`   After: `page = 16`
    cache = int8, f32 (cpu), bf16 or fp8 (cuda) stores keys and values so and not as f16: `!llm.kv<.., page = 16, kind = i8>`.
    Limits: the kernels need head sizes that are a multiple of 16; others are an error. auto is f16; a build with f32 activations asks for f32,
    because rounding keys to f16 alone moves log probabilities by some thousandths.
  }];
  let options = [Option<"cache", "cache", "std::string", "\"auto\"", "auto (f16), f32, f16, bf16, int8 or fp8">, targetOption];
}

def SplitPrograms : LlmcPass<"llm-split-programs"> {
  let summary = "one function for few tokens (decode), one for any number (mixed)";
  let description = [{
    Why: with few tokens barriers cost more than recomputing a norm on every worker, and a context must be split to occupy them; with many
    tokens it is the other way round.
    Before: `func.func @forward`
    After:  `func.func @decode attributes {llmc.t_max = 4}` with attend cut in `llm.attend_partial` and `llm.attend_merge`, and
            `func.func @mixed attributes {llmc.t_max = 0}`
    For cuda @decode takes any number of sequences with one token each, `{llmc.t_max = 0, llmc.q_max = 1}`: a context is cut to occupy the
    device, and one graph of launches serves all steps of a bucket of sequences.
    Limits: sinks and ALiBi are not in the op yet, so nothing hinders the split.
  }];
  let options = [targetOption];
}

def AddRopeTable : LlmcPass<"llm-add-rope-table"> {
  let summary = "gives every rope a table of cosines and sines computed in double at build";
  let description = [{
    Why: no transcendental and no loss of angle precision at long positions in any kernel.
    Before: `llm.rope %q, %batch {rope = #llm.rope<..>}`
    After:  `llm.rope %q, %batch, %table` with `llm.weight @rope_table {generated = #llm.rope<..>}`: rows for 256 * a, then rows for b < 256
    Limits: needs the module attribute llmc.max_positions.
  }];
}

def FormKernels : LlmcPass<"kern-form-kernels"> {
  let summary = "groups ops around heroes into kernels (the fusion table)";
  let description = [{
    Why: what is fused is neither written to memory nor waited for.
    Before: `llm.rmsnorm, llm.quantize, llm.linear, llm.add`
    After:  `kern.dispatch "linear" (..) {llm.rmsnorm, llm.quantize, llm.linear, llm.add, kern.yield}`
    Heroes in order: kv_write with the q, k, v rows it rotates, as epilogue of the product that makes them when that is one (F5), linear with
    its epilogue (F4, F7, F9), the head with the argmax of its logits (F8) and, in the decode program, the norm, merge and quantize before it (F2, F6, F8), norm with the
    add before it and quantize (F1), embed with scale and the first norm (F10), attend with quantize (F6). Dequantization is always
    inside the product (F12).
    Limits: an op is taken into an epilogue only when the product's result has no other use; heads must end with a panel of 16 rows to be
    an epilogue, with a group of 32 to be quantized. Each refusal leaves a remark. Three of them cost @mixed an eighth barrier a layer, where there are 7
    (tests/lit/compiler/barriers.test), and the last two @decode a sixth, where there are 5.
    Heads whose size is no multiple of 32 (16, 80), before int8 products: a group of 32 columns is of two heads, which are items of
    attention that different workers may have, so the rows are quantized afterwards.
    A feed-forward width that is no multiple of 16: llm-fuse-horizontal interleaves panels of 16 rows, so gate and up stay two products, and
    their product waits for both.
    q, k and v in different storage, as where a Q4_K_M file has v in Q6_K: one product has one storage, llm.kv_write takes keys and values
    together, and so waits for two products instead of ending one.
    For cuda the rows of a product, and what becomes of q, k and v after it, are kernels of their own: blocks share nothing but memory,
    so each would compute all of it again. Casts join what makes their rows: norms (F1), attention and its merge (F6), products (F9).
  }];
  let options = [targetOption];
}

def FormFallback : LlmcPass<"kern-form-fallback"> {
  let summary = "every op that no hero took becomes a kernel of its own";
  let description = [{
    Why: an unknown chain of ops must still compile, if more slowly.
    Before: `%y = llm.act %x`   After: `%y = kern.dispatch "pointwise" (%bx = %x) {llm.act, kern.yield}`
    For cuda llm.argmax and llm.sample, which read stored logits, are heroes of their own: `kern.dispatch "argmax"`, `"sample"`.
    Limits: one op a kernel.
  }];
  let options = [targetOption];
}

def DedupKernels : LlmcPass<"kern-dedup"> {
  let summary = "layers share kernels: equal bodies become one kern.func";
  let description = [{
    Why: 30 layers need 6 kernels, not 180; weights and the layer of the cache are arguments.
    Before: `kern.dispatch "linear" (..) {..}` in each layer
    After:  `kern.func @linear_960x576_0 {..}` once and `kern.call @linear_960x576_0(..) {kv_layer = 3}` in each layer
    Limits: bodies must be equal op for op, types included.
  }];
}

def FetchAhead : LlmcPass<"kern-fetch-ahead"> {
  let summary = "gives products of a layer the cache, so that they can bring what attention reads next";
  let description = [{
    Why: attention waits for memory while arithmetic rests, products of many rows the other way round. What they fetch beside their weights
    is there when attention begins.
    Before: `kern.call @linear_3072x576_3(%x, %w, %batch)` between the attention of layers 3 and 4
    After:  `kern.call @linear_3072x576_3(%x, %w, %batch, %kv) {kv_layer = 4}`, behind the last attention that of the same layer;
            `kern.func @linear_3072x576_3 attributes {llmc.panels_before = 36}`: 36 panels of weights are those of products of the layer that
            come before, so that each fetches other pages
    Limits: products of CPU programs for any number of tokens, unless somebody calls them without a cache. One that writes the cache has it
    already. What is fetched, and whether, is up to the kernel.
  }];
  let options = [targetOption];
}

def SelectConfig : LlmcPass<"kern-select-config"> {
  let summary = "decides which variants of each kernel exist, by class of row counts, and which measured numbers they get";
  let description = [{
    Why: one row is bound by memory, many by arithmetic: they need other instructions, not other bounds.
    Before: `kern.func @linear_0`   After: `kern.func @linear_0 attributes {config = [#kern.config<m_max = 1>, #kern.config<m_max = 4>, ..]}`
    With `tuning=FILE` a product, or for cuda an attention, that the file of `llmc tune` knows gets its numbers, level by level:
    `#kern.config<m_max = 4, params = {"x86-64-v4" = {tile_rows = 2 : i64}}>`; all else comes from the table of codegen/registry.
    Limits: only products have classes; the exact row count is always a run-time argument. For cuda the classes are those of the tokens a
    block takes at once, 8, 16, 32, 64, 512 (of 2^22 weights on) and any, in both programs; levels are architectures there, all else comes from the family's model.
  }];
  let options = [targetOption, Option<"tuning", "tuning", "std::string", /*default=*/"", "file that llmc tune has written">];
}

def AssignLayout : LlmcPass<"kern-assign-layout"> {
  let summary = "names the packed layout of every weight";
  let description = [{
    Why: kernels and packer must agree, and the runtime must be able to tell.
    Before: `llm.weight @w : !llm.weight<[960, 576], #llm.q<i4, 32, asym>>`   After: `{layout = "q4n16k4-asym"}`
    For cuda `"q4m16k64-asym"` and others in the order of tensor core fragments.
    Limits: a weight has one layout; a layout already given that differs is an error, and so is an f32 matrix for cuda.
  }];
  let options = [targetOption];
}

class PlanPass<string flag> : LlmcPass<flag> {
  let dependentDialects = ["::llmc::llm::LLMDialect", "::llmc::kern::KernDialect", "::llmc::plan::PlanDialect"];
}

def PlanBuild : PlanPass<"plan-build"> {
  let summary = "turns calls of kernels into phases of launches over slots";
  let description = [{
    Why: the runtime walks a list; nothing is left to decide while serving.
    Before: `%y = kern.call @linear_0(%x, %w, %batch)` in @decode and @mixed
    After:  `plan.engine {plan.kernel @linear_0 .. plan.program @decode {plan.slot .. plan.phase {plan.launch @linear_0 [..]}}}`
    A launch joins the phase before it when it needs nothing from it; workers meet once a phase. Every value gets a slot of its own here.
    Limits: sizes come from row strides of the kernel ABI; per-worker scratch from the attribute llmc.scratch_bytes of kern.func;
    kernels of one phase share a scratch slot only when their sizes are equal, since a worker's place in it is w * size. A CUDA kernel has
    no scratch; how it is launched follows from its text and is added to the engine when that is compiled.
  }];
  let options = [targetOption];
}

def PlanMemory : PlanPass<"plan-memory"> {
  let summary = "lets slots that are never alive together share bytes";
  let description = [{
    Why: the arena should fit in cache; 30 layers need the memory of one.
    Before: slots one after another   After: first fit by falling size over live phases, for each unit; the formula is in a remark
    Limits: sizes are linear in one unit, so sharing happens only among slots counted alike.
  }];
}

def PlanVerify : PlanPass<"plan-verify"> {
  let summary = "proves that no two live slots overlap and that every slot is written before it is read";
  let description = [{
    Why: the one bug that memory sharing can make is silent.
    Before and after: the same IR, or an error.
    Limits: overlap is decided per unit, which holds for all T, S and worker counts because offsets scale with the same number.
    The order of writes and reads is checked for launches whose kern.func is in the module.
  }];
}

def LowerCpu : LlmcPass<"kern-lower-cpu"> {
  let summary = "each variant of each kern.func as a module of vector, scf and llvm ops for one CPU level, in place of the function";
  let description = [{
    Why: what the machine runs, in the last form that a person reads easily: loops, register tiles, the level's instructions.
    Before: `kern.func @linear_960x576(..) attributes {config = [#kern.config<m_max = 1>, ..]} {llm.linear ..}`
    After:  `module @linear_960x576_m1 {func.func @linear_960x576_m1(..) -> i32 {scf.for .. vector.fma, llvm.call_intrinsic ..}}`
    The kernel's family (codegen/cpu) schedules and writes in one step; dialects/README.md says why there is no pass between.
    A build runs the same code for each variant and level in a context of its own, in parallel, and only prints it as this pass: to stderr, with
    its symbol and level, or as kernels-LEVEL/NNN-SYMBOL.mlir of --dump-dir.
    Limits: calls and programs go, too, because nothing is left to call; functions without a config have one variant, for any number of rows.
    An op without code for the level is an error on it.
  }];
  let options = [Option<"level", "level", "std::string", "\"x86-64-v3\"", "CPU level, as llmc build --cpu-levels has them">];
}

def LowerCuda : LlmcPass<"kern-lower-cuda"> {
  let summary = "each variant of each kern.func as CUDA C++ text for one architecture, on standard output";
  let description = [{
    Why: what NVRTC compiles, to read and to check; a launch's grid, threads and shared memory stand above it.
    Before: `kern.func @add(..) attributes {hero = "pointwise"} {llm.add ..}`
    After:  `extern "C" __global__ void .. add_any(const __grid_constant__ Args args) {..}` on standard output; the module is empty.
    Scheduling is part of the family here, too (codegen/cuda). A build writes and compiles each variant and architecture on its own, and prints the
    text as this pass: to stderr, or as SYMBOL.ARCH.cu of --dump-dir.
    Limits: calls and programs go, too; functions without a config have one variant, for any number of rows. An op without code on CUDA is an error on
    it.
  }];
  let options = [Option<"arch", "arch", "std::string", "\"sm_90a\"", "GPU architecture, as llmc build --target cuda: has them">];
}

#endif // LLMC_PASSES_PASSES_TD
