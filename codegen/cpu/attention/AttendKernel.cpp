// Work items of attention, and the lowering of a kern.func whose hero is llm.attend or llm.attend_partial.
#include "codegen/cpu/attention/AttendKernel.h"

#include "codegen/cpu/attention/Bf16AttendEmitter.h"
#include "codegen/cpu/attention/Int16AttendEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "runtime/format/kernel_abi.h"
#include <memory>

using namespace mlir;

namespace llmc {

static AttendWords wordsOf(KernelBuilder &k, const AttendShape &shape, const AttendArguments &arguments,
                           const AttendSink &sink) {
  Value mine = k.mul(k.worker(), attendScratchBytes(shape));
  return {k.arg(arguments.query),
          k.arg(arguments.cache),
          k.arg(arguments.batch),
          k.arg(arguments.result),
          k.address(k.arg(arguments.scratch), mine),
          sink,
          arguments.sinks ? k.arg(*arguments.sinks) : Value()};
}

/// Decode parts: split x KV head of each token. Each worker gets a stretch of those that have keys, so that it reads
/// pages as they lie, and one of those that have none and are only written. Of one long context the last quarter is
/// left to whoever is free. A stretch is a call: the loop around them would take registers from the products.
class SplitItems {
public:
  SplitItems(KernelBuilder &k, const AttendShape &shape, const AttendArguments &arguments)
      : k_(k), shape_(shape), arguments_(arguments), words_(wordsOf(k, shape, arguments, {})),
        emitter_(k, shape, words_, chooseTile(shape, k.level(), /*decode=*/true), 1, shape.kvHeads),
        tokens_(k.batchInt(words_.batch, offsetof(rt::Batch, tokens))),
        sequences_(k.batchPtr(words_.batch, offsetof(rt::Batch, tokenSeq))),
        positions_(k.batchPtr(words_.batch, offsetof(rt::Batch, positions))),
        table_(k.batchPtr(words_.batch, offsetof(rt::Batch, blockTable))),
        stride_(k.batchInt(words_.batch, offsetof(rt::Batch, blockStride))) {}

  void emit() {
    k_.forEach(k_.c(0), tokens_, 1, [&](Value token) {
      emitter_.prepare(itemOf(token));
      emitToken(token);
    });
  }

private:
  /// Of a chunk that is dealt the first block has been fetched by nobody: parts of fewer blocks are not, and as many
  /// heads go together as have so many bytes of keys and values.
  static constexpr int64_t kBlocksToDeal = 8, kChunk = 128 * 1024;

  /// Items [begin, end), KV heads of one part after those of the other.
  struct Range {
    Value begin, end;
  };

  /// A token's context, and the tokens of a part of it; the first part with keys, and how many have any.
  struct Parts {
    Value length, unit, first, live;
  };

  AttendItem itemOf(Value token) {
    return {token, k_.c(1), k_.loadIndex(sequences_, token), k_.c(0), k_.c(shape_.kvHeads), Value(), {}};
  }

  Parts partsOf(Value token) {
    Value length = k_.add(k_.loadIndex(positions_, token), 1), unit = splitTokens(k_, shape_, length);
    Value first = k_.c(0), ends = k_.divUI(k_.add(length, k_.add(unit, -1)), unit);
    if (shape_.window > 0)
      first = k_.divUI(k_.maxSI(k_.sub(length, k_.c(shape_.window)), k_.c(0)), unit);
    return {length, unit, first, k_.sub(ends, first)};
  }

  void emitToken(Value token) {
    Parts parts = partsOf(token);
    // The first share differs from token to token: with fewer than workers it is not always the same ones that have
    // none.
    Value place = k_.remUI(k_.add(k_.worker(), token), k_.workers());
    auto [none, noneEnd] = k_.workerRange(k_.mul(k_.sub(k_.c(shape_.splits), parts.live), shape_.kvHeads), place);
    Value large = k_.less(k_.c(kBlocksToDeal * AttendShape::kBlockTokens - 1), parts.unit);
    k_.shareOutOnlyIf(arith::AndIOp::create(k_.b(), k_.equal(tokens_, k_.c(1)), large));
    Value headBytes = k_.mul(parts.unit, 2 * shape_.rowBytes());
    Value most = k_.divUI(k_.add(headBytes, kChunk - 1), headBytes); // heads of a chunk
    Value chunk = k_.minSI(most, k_.c(shape_.kvHeads));
    k_.shareOut(
        k_.mul(parts.live, shape_.kvHeads), chunk, {none, noneEnd},
        [&](Value begin, Value end, ValueRange left) {
          k_.callApart("_stretch", {token, begin, end, left[0], left[1]}, [&](ValueRange in) {
            SplitItems(k_, shape_, arguments_).emitStretch(in[0], {in[1], in[2]}, {in[3], in[4]});
          });
          return KernelBuilder::Values{k_.c(0), k_.c(0)};
        },
        place);
  }

  /// Items `keys` of those that have keys, and `none` of the others.
  void emitStretch(Value token, Range keys, Range none) {
    const AttendItem all = itemOf(token);
    const Parts parts = partsOf(token);
    k_.forEach(k_.c(0), k_.c(shape_.splits), 1, [&](Value i) {
      Value alive = k_.less(i, parts.live);
      auto choose = [&](Value yes, Value no) -> Value { return arith::SelectOp::create(k_.b(), alive, yes, no); };
      Value before = k_.mul(k_.sub(i, choose(k_.c(0), parts.live)), shape_.kvHeads);
      auto headAt = [&](Value bound) {
        return k_.minSI(k_.maxSI(k_.sub(bound, before), k_.c(0)), k_.c(shape_.kvHeads));
      };
      AttendItem item = all;
      item.kvHead = headAt(choose(keys.begin, none.begin));
      item.heads = k_.sub(headAt(choose(keys.end, none.end)), item.kvHead);
      item.split = k_.remUI(k_.add(parts.first, i), shape_.splits);
      Value goesOn = k_.less(k_.mul(k_.add(i, 1), shape_.kvHeads), keys.end);
      item.next = following(item, parts.length, k_.mul(k_.add(item.split, 1), parts.unit), goesOn);
      k_.ifThen(k_.less(k_.c(0), item.heads), [&] { emitter_.emitItem(item); });
    });
  }

  /// The pages from key `end` on where this worker `goesOn`, or once more one that it has read.
  AttendNext following(const AttendItem &item, Value length, Value end, Value goesOn) {
    Value last = k_.divUI(k_.add(length, -1), AttendShape::kPageTokens);
    Value read = k_.minSI(k_.divUI(k_.add(end, -1), AttendShape::kPageTokens), last);
    auto choose = [&](Value yes) -> Value { return arith::SelectOp::create(k_.b(), goesOn, yes, read); };
    return {k_.address(table_, k_.mul(k_.mul(item.sequence, stride_), 4)),
            choose(k_.minSI(k_.divUI(end, AttendShape::kPageTokens), last)), choose(last)};
  }

  KernelBuilder &k_;
  const AttendShape &shape_;
  const AttendArguments &arguments_;
  AttendWords words_;
  AttendEmitter emitter_;
  Value tokens_, sequences_, positions_, table_, stride_;
};

/// Sequences that bring one token (they decode while others have prompts), always in f32: they are bound by reading the
/// cache. Each worker gets a stretch of (sequence, KV head) pairs that has its share of the keys, so that it reads
/// pages as they lie, and knows what it reads next.
class SingleItems {
public:
  SingleItems(KernelBuilder &k, const AttendShape &shape, const AttendWords &words)
      : k_(k), shape_(shape), words_(words), sequences_(k.batchInt(words.batch, offsetof(rt::Batch, sequences))),
        starts_(k.batchPtr(words.batch, offsetof(rt::Batch, queryStarts))),
        lengths_(k.batchPtr(words.batch, offsetof(rt::Batch, contextLens))),
        table_(k.batchPtr(words.batch, offsetof(rt::Batch, blockTable))),
        stride_(k.batchInt(words.batch, offsetof(rt::Batch, blockStride))) {}

  void emit() {
    AttendEmitter emitter(k_, shape_, words_, chooseTile(shape_, k_.level(), /*decode=*/true), 1, shape_.kvHeads);
    auto total = k_.forLoop(k_.c(0), sequences_, 1, {k_.c(0)}, [&](Value sequence, ValueRange sum) {
      return KernelBuilder::Values{k_.add(sum[0], k_.mul(headCost(sequence), shape_.kvHeads))};
    });
    auto [begin, end] = k_.workerRange(total[0]);
    k_.forLoop(k_.c(0), sequences_, 1, {k_.c(0)}, [&, begin = begin, end = end](Value sequence, ValueRange carried) {
      Value cost = headCost(sequence), after = k_.add(carried[0], k_.mul(cost, shape_.kvHeads));
      Value first = headAt(begin, carried[0], cost), last = headAt(end, carried[0], cost);
      k_.ifThen(k_.less(first, last), [&] {
        Value goesOn = arith::AndIOp::create(k_.b(), k_.less(after, end), k_.less(k_.add(sequence, 1), sequences_));
        AttendItem item{k_.loadIndex(starts_, sequence), k_.c(1), sequence, first, k_.sub(last, first), Value(),
                        following(sequence, goesOn)};
        emitter.prepare(item);
        emitter.emitItem(item);
      });
      return KernelBuilder::Values{after};
    });
  }

private:
  Value tokens(Value sequence) {
    return k_.sub(k_.loadIndex(starts_, k_.add(sequence, 1)), k_.loadIndex(starts_, sequence));
  }

  /// What one KV head of a sequence costs, in keys; 0 if it brings more than one token.
  Value headCost(Value sequence) {
    Value keys = k_.loadIndex(lengths_, sequence);
    if (shape_.window > 0)
      keys = k_.minSI(keys, k_.c(shape_.window + AttendShape::kBlockTokens));
    return arith::SelectOp::create(k_.b(), k_.equal(tokens(sequence), k_.c(1)), k_.add(keys, kAttentionIdleKeys),
                                   k_.c(0));
  }

  /// The first head of a sequence whose keys begin at `bound` of all or later; `before` lie before the sequence.
  Value headAt(Value bound, Value before, Value cost) {
    Value divisor = k_.maxSI(cost, k_.c(1)), behind = k_.maxSI(k_.sub(bound, before), k_.c(0));
    Value head = k_.divUI(k_.add(behind, k_.add(divisor, -1)), divisor);
    return k_.minSI(head, k_.minSI(cost, k_.c(shape_.kvHeads)));
  }

  /// The next sequence, or once more the last page of this one.
  AttendNext following(Value sequence, Value goesOn) {
    auto choose = [&](Value yes, Value no) -> Value { return arith::SelectOp::create(k_.b(), goesOn, yes, no); };
    Value which = choose(k_.add(sequence, 1), sequence), length = k_.loadIndex(lengths_, which);
    Value last = k_.divUI(k_.add(length, -1), AttendShape::kPageTokens), first = k_.c(0);
    if (shape_.window > 0)
      first = k_.mul(k_.divUI(k_.maxSI(k_.sub(length, k_.c(shape_.window)), k_.c(0)), AttendShape::kBlockTokens),
                     AttendShape::kBlockTokens / AttendShape::kPageTokens);
    return {k_.address(table_, k_.mul(k_.mul(which, stride_), 4)), choose(first, last), last};
  }

  KernelBuilder &k_;
  const AttendShape &shape_;
  const AttendWords &words_;
  Value sequences_, starts_, lengths_, table_, stride_;
};

/// Blocks of query tokens x KV head of the sequences that bring several tokens. All are numbered through and dealt out
/// in rounds that go through the workers forwards and backwards by turns, because causal items differ: forwards only,
/// the last worker's would always be the longest. With three workers and more each sequence's tokens behind the last
/// whole item of the first three quarters are left to whoever is free; products of 16 bits go there in items of half
/// the size, if those have enough rows.
class BlockItems {
public:
  BlockItems(KernelBuilder &k, const AttendShape &shape, const AttendWords &words)
      : k_(k), shape_(shape), wide_(chooseTile(shape, k.level(), /*decode=*/false)),
        many_(k, shape, words, wide_, itemTokens(shape, wide_, false), 1),
        sequences_(k.batchInt(words.batch, offsetof(rt::Batch, sequences))),
        starts_(k.batchPtr(words.batch, offsetof(rt::Batch, queryStarts))), deals_(k.countsTaken()) {
    if (usesBf16(shape, k.level()))
      rounded_ = std::make_unique<Bf16AttendEmitter>(k, shape, words);
    else if (usesInt16(shape, k.level()))
      rounded_ = std::make_unique<Int16AttendEmitter>(k, shape, words);
  }

  void emit() {
    // Carried: the number of this worker's next item, and how many items lie before those at hand.
    k_.forLoop(k_.c(0), k_.c(2), 1, {k_.worker(), k_.c(0)}, [&](Value phase, ValueRange carried) {
      Value taken = k_.equal(phase, k_.c(1)), base = carried[1];
      Value counted = arith::AndIOp::create(k_.b(), deals_, taken);
      auto following = [&](Value number) {
        return k_.ifElse(
            counted, {k_.i64()}, [&] { return KernelBuilder::Values{k_.add(base, k_.take())}; },
            [&] { return KernelBuilder::Values{number}; })[0];
      };
      Value next = following(carried[0]);
      return k_.forLoop(k_.c(0), sequences_, 1, {next, base}, [&](Value sequence, ValueRange inner) {
        Value first = k_.loadIndex(starts_, sequence), behind = k_.loadIndex(starts_, k_.add(sequence, 1));
        return k_.ifElse(
            k_.less(k_.add(first, 1), behind), {k_.i64(), k_.i64()},
            [&] {
              Part part = partOf(first, behind, taken);
              Value end = k_.add(inner[1], part.items);
              auto left = k_.whileLoop(
                  {inner[0]}, [&](ValueRange number) { return k_.less(number[0], end); },
                  [&](ValueRange number) {
                    emitItem(part, sequence, k_.sub(number[0], inner[1]));
                    return KernelBuilder::Values{following(inNextRound(number[0]))};
                  });
              return KernelBuilder::Values{left[0], end};
            },
            [&] { return KernelBuilder::Values(inner); });
      });
    });
  }

private:
  /// Tokens [first, end) of a step, one sequence's, in blocks of `size`.
  struct Part {
    Value first, end, size, items;
  };

  Value select(Value condition, Value yes, Value no) { return arith::SelectOp::create(k_.b(), condition, yes, no); }

  /// Of a sequence with tokens [first, end): what is left to whoever is free if `taken`, else what workers own.
  Part partOf(Value first, Value end, Value taken) {
    Value tokens = k_.sub(end, first), whole = blockTokens(tokens), half = whole;
    if (rounded_)
      half = k_.maxSI(k_.divUI(k_.add(whole, 1), 2), k_.c(fewestTokens()));
    Value blocks = k_.divUI(k_.divUI(k_.mul(tokens, kOwnedQuarters), 4), whole);
    Value owned = select(deals_, k_.mul(blocks, whole), tokens);
    Part part;
    part.first = k_.add(first, select(taken, owned, k_.c(0)));
    part.end = k_.add(first, select(taken, tokens, owned));
    part.size = select(taken, half, whole);
    Value count = k_.divUI(k_.add(k_.sub(part.end, part.first), k_.add(part.size, -1)), part.size);
    part.items = k_.mul(count, shape_.kvHeads);
    return part;
  }

  int64_t fewestTokens() const { return PairScratch(shape_, pairTileRows(k_.level())).fewestTokens(shape_); }

  /// Of a sequence that brings `tokens`: about kAttentionItems items a worker, so that none is left with much more than
  /// the others. Rows do not depend on it.
  Value blockTokens(Value tokens) {
    if (!rounded_)
      return k_.c(itemTokens(shape_, wide_, false));
    Value share = k_.mul(k_.workers(), kAttentionItems);
    Value even = k_.divUI(k_.add(k_.mul(tokens, shape_.kvHeads), k_.add(share, -1)), share);
    return k_.minSI(k_.maxSI(even, k_.c(fewestTokens())), k_.c(PairScratch(shape_, pairTileRows(k_.level())).tokens));
  }

  /// Of the same worker.
  Value inNextRound(Value number) {
    Value round = k_.add(k_.divUI(number, k_.workers()), 1), mirrored = k_.sub(k_.add(k_.workers(), -1), k_.worker());
    Value place = select(k_.equal(k_.remUI(round, 2), k_.c(0)), k_.worker(), mirrored);
    return k_.add(k_.mul(round, k_.workers()), place);
  }

  void emitItem(const Part &part, Value sequence, Value index) {
    Value token = k_.add(part.first, k_.mul(k_.divUI(index, shape_.kvHeads), part.size));
    Value count = k_.minSI(k_.sub(part.end, token), part.size);
    AttendItem item{token, count, sequence, k_.remUI(index, shape_.kvHeads), Value(), Value(), {}};
    if (rounded_)
      return rounded_->emitItem(item);
    many_.prepare(item);
    many_.emitItem(item);
  }

  KernelBuilder &k_;
  const AttendShape &shape_;
  AttendTile wide_;
  AttendEmitter many_;                         ///< products of f32
  std::unique_ptr<PairAttendEmitter> rounded_; ///< or of 16 bits
  Value sequences_, starts_, deals_;
};

void emitAttend(KernelBuilder &k, const AttendShape &shape, const AttendArguments &arguments, const AttendSink &sink) {
  if (shape.splits)
    return SplitItems(k, shape, arguments).emit();
  const AttendWords words = wordsOf(k, shape, arguments, sink);
  SingleItems(k, shape, words).emit();
  BlockItems(k, shape, words).emit();
}

} // namespace llmc
