// Work items of attention, and the lowering of a kern.func whose hero is llm.attend or llm.attend_partial.
#include "codegen/cpu/attention/AttendKernel.h"

#include "codegen/cpu/attention/Bf16AttendEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

/// Decode parts: token x KV head x split, dealt out round robin so that short contexts still spread over workers.
static void emitSplitItems(KernelBuilder &k, const AttendShape &shape, const AttendWords &words) {
  AttendTile tile = chooseTile(shape, k.level(), /*decode=*/true);
  AttendEmitter emitter(k, shape, words, tile, 1);
  Value tokens = k.batchInt(words.batch, offsetof(rt::Batch, tokens));
  Value sequences = k.batchPtr(words.batch, offsetof(rt::Batch, tokenSeq));
  int64_t perToken = shape.kvHeads * shape.splits;
  Value items = k.mul(tokens, perToken);
  Value mine = k.divUI(k.add(k.sub(k.maxSI(items, k.worker()), k.worker()), k.add(k.workers(), -1)), k.workers());
  k.forEach(k.c(0), mine, 1, [&](Value i) {
    Value index = k.add(k.worker(), k.mul(i, k.workers()));
    Value token = k.divUI(index, perToken), rest = k.remUI(index, perToken);
    AttendItem item{token, k.c(1), k.loadIndex(sequences, token), k.divUI(rest, shape.splits),
                    k.remUI(rest, shape.splits)};
    emitter.emitItem(item);
  });
}

/// Items of a step that this worker owns: `count` of them follow `before` earlier ones. Dealt out in rounds that go
/// through the workers forwards and backwards by turns, because causal items grow: forwards only, the last worker's
/// would always be the longest.
static void forEachOwned(KernelBuilder &k, Value before, Value count, llvm::function_ref<void(Value)> body) {
  Value end = k.add(before, count), workers = k.workers();
  Value last = k.divUI(k.add(end, k.add(workers, -1)), workers);
  k.forEach(k.divUI(before, workers), last, 1, [&](Value round) {
    Value backwards = k.remUI(round, 2), mirrored = k.sub(k.add(workers, -1), k.worker());
    Value place = k.add(k.worker(), k.mul(backwards, k.sub(mirrored, k.worker())));
    Value item = k.add(k.mul(round, workers), place);
    Value owned = arith::AndIOp::create(k.b(), k.less(k.add(before, -1), item), k.less(item, end));
    k.ifThen(owned, [&] { body(k.sub(item, before)); });
  });
}

/// Query tokens of the items of a sequence that brings `tokens`: about six items a worker, so that none is left with
/// much more than the others. Rows do not depend on it.
static Value bf16ItemTokens(KernelBuilder &k, const AttendShape &shape, Value tokens) {
  Bf16Scratch scratch(shape);
  Value share = k.mul(k.workers(), 6);
  Value even = k.divUI(k.add(k.mul(tokens, shape.kvHeads), k.add(share, -1)), share);
  return k.minSI(k.maxSI(even, k.c(scratch.fewestTokens(shape))), k.c(scratch.tokens));
}

/// Ragged steps: blocks of query tokens x KV head for each sequence. A sequence that brings one token (it decodes while
/// others have prompts) has an emitter of its own, always in f32: it is bound by reading the cache.
static void emitBlockItems(KernelBuilder &k, const AttendShape &shape, const AttendWords &words) {
  AttendTile wide = chooseTile(shape, k.level(), /*decode=*/false), narrow = chooseTile(shape, k.level(), true);
  int64_t wideTokens = itemTokens(shape, wide, false);
  AttendEmitter many(k, shape, words, wide, wideTokens), one(k, shape, words, narrow, 1);
  Bf16AttendEmitter rounded(k, shape, words);
  bool bf16 = usesBf16(shape, k.level());
  Value sequences = k.batchInt(words.batch, offsetof(rt::Batch, sequences));
  Value starts = k.batchPtr(words.batch, offsetof(rt::Batch, queryStarts));
  k.forLoop(k.c(0), sequences, 1, {k.c(0)}, [&](Value sequence, ValueRange carried) {
    Value first = k.loadIndex(starts, sequence), end = k.loadIndex(starts, k.add(sequence, 1));
    Value tokens = k.sub(end, first), single = k.equal(tokens, k.c(1));
    Value blockTokens = bf16 ? bf16ItemTokens(k, shape, tokens) : k.c(wideTokens);
    Value items = k.mul(k.divUI(k.add(tokens, k.add(blockTokens, -1)), blockTokens), shape.kvHeads);
    forEachOwned(k, carried[0], items, [&](Value index) {
      Value token = k.add(first, k.mul(k.divUI(index, shape.kvHeads), blockTokens));
      Value count = k.minSI(k.sub(end, token), blockTokens);
      AttendItem item{token, count, sequence, k.remUI(index, shape.kvHeads), Value()};
      k.ifElse(
          single, {},
          [&] {
            one.emitItem(item);
            return KernelBuilder::Values();
          },
          [&] {
            bf16 ? rounded.emitItem(item) : many.emitItem(item);
            return KernelBuilder::Values();
          });
    });
    return KernelBuilder::Values{k.add(carried[0], items)};
  });
}

void emitAttend(KernelBuilder &k, const AttendShape &shape, const AttendArguments &arguments, const AttendSink &sink) {
  Value mine = k.mul(k.worker(), attendScratchBytes(shape));
  AttendWords words{k.arg(arguments.query),
                    k.arg(arguments.cache),
                    k.arg(arguments.batch),
                    k.arg(arguments.result),
                    k.address(k.arg(arguments.scratch), mine),
                    sink};
  if (shape.splits)
    emitSplitItems(k, shape, words);
  else
    emitBlockItems(k, shape, words);
}

} // namespace llmc
