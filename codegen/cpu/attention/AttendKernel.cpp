// Work items of attention, and the lowering of a kern.func whose hero is llm.attend or llm.attend_partial.
#include "codegen/cpu/attention/AttendKernel.h"

#include "codegen/cpu/attention/AttendEmitter.h"
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

/// Ragged steps: blocks of query tokens x KV head for each sequence, dealt out round robin because causal blocks grow.
static void emitBlockItems(KernelBuilder &k, const AttendShape &shape, const AttendWords &words) {
  AttendTile wide = chooseTile(shape, k.level(), /*decode=*/false), narrow = chooseTile(shape, k.level(), true);
  int64_t blockTokens = itemTokens(shape, wide, false);
  AttendEmitter many(k, shape, words, wide, blockTokens), one(k, shape, words, narrow, 1);
  Value sequences = k.batchInt(words.batch, offsetof(rt::Batch, sequences));
  Value starts = k.batchPtr(words.batch, offsetof(rt::Batch, queryStarts));
  k.forLoop(k.c(0), sequences, 1, {k.worker()}, [&](Value sequence, ValueRange carried) {
    // `carried`: how many items from the start of this sequence to the first one of ours.
    Value first = k.loadIndex(starts, sequence), end = k.loadIndex(starts, k.add(sequence, 1));
    Value items = k.mul(k.ceilDiv(k.sub(end, first), blockTokens), shape.kvHeads);
    Value skip = carried[0];
    Value mine = k.divUI(k.add(k.sub(k.maxSI(items, skip), skip), k.add(k.workers(), -1)), k.workers());
    k.forEach(k.c(0), mine, 1, [&](Value i) {
      Value index = k.add(skip, k.mul(i, k.workers()));
      Value token = k.add(first, k.mul(k.divUI(index, shape.kvHeads), blockTokens));
      Value count = k.minSI(k.sub(end, token), k.c(blockTokens));
      AttendItem item{token, count, sequence, k.remUI(index, shape.kvHeads), Value()};
      k.ifElse(
          k.equal(count, k.c(1)), {},
          [&] {
            one.emitItem(item);
            return KernelBuilder::Values();
          },
          [&] {
            many.emitItem(item);
            return KernelBuilder::Values();
          });
    });
    return KernelBuilder::Values{k.sub(k.add(skip, k.mul(mine, k.workers())), items)};
  });
}

void emitAttend(KernelBuilder &k, const AttendShape &shape, const AttendArguments &arguments) {
  Value mine = k.mul(k.worker(), attendScratchBytes(shape));
  AttendWords words{k.arg(arguments.query), k.arg(arguments.cache), k.arg(arguments.batch), k.arg(arguments.result),
                    k.address(k.arg(arguments.scratch), mine)};
  if (shape.splits)
    emitSplitItems(k, shape, words);
  else
    emitBlockItems(k, shape, words);
}

} // namespace llmc
