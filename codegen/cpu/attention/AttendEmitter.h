// Writes the code of one attention work item: query rows of one KV head against a range of keys, flash style.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/cpu/attention/AttendShape.h"
#include "codegen/cpu/attention/CodeProducts.h"
#include <functional>
#include <optional>

namespace llmc {

/// Takes the finished D values of `head` (of all) of token `row`, f32 at `values`.
using AttendSink = std::function<void(mlir::Value row, mlir::Value head, mlir::Value values)>;

/// Pointers an attention kernel works on; rows as in the ABI.
struct AttendWords {
  mlir::Value query; ///< f32 [T, heads * D]
  mlir::Value cache; ///< this layer in page 0
  mlir::Value batch;
  mlir::Value result;  ///< f32 [T, heads * D] or the parts
  mlir::Value scratch; ///< this worker's
  AttendSink sink;     ///< when set, takes the values of whole contexts instead of `result`
  mlir::Value logits;  ///< f32 [heads]: of keys without values that each softmax counts (llm.attend's sinks); or null
};

/// The first keys of what a worker reads next: pages [firstPage, lastPage] of a sequence's row of the block table.
struct AttendNext {
  mlir::Value table, firstPage, lastPage;
};

/// One item: tokens [firstToken, firstToken + tokenCount) of the step, all of sequence `sequence`, KV head `kvHead`; or
/// one token and the `heads` KV heads from `kvHead` on.
struct AttendItem {
  mlir::Value firstToken, tokenCount, sequence, kvHead;
  mlir::Value heads; ///< null for blocks of query tokens
  mlir::Value split; ///< null when the whole context is one
  AttendNext next;   ///< what this worker reads after the item; null for blocks of query tokens
};

/// Keys in one of shape.splits parts of a context of `length` keys: whole blocks, so that only the last one of a
/// context is short. A short block costs a whole one's softmax and fetches no more of the next one than it has keys.
mlir::Value splitTokens(KernelBuilder &k, const AttendShape &shape, mlir::Value length);

/// Keys of a block that one row sees, relative to the block: [begin, end), without `begin` all before `end`.
struct VisibleKeys {
  mlir::Value begin, end;
};

/// Those of a row at position `here` (relative to the block), of which keys from `end` on do not exist.
VisibleKeys visibleKeys(KernelBuilder &k, const AttendShape &shape, mlir::Value here, mlir::Value end);

/// `values` of the block's keys firstKey + 0..15 with `hidden` for those that the row does not see.
mlir::Value maskHidden(KernelBuilder &k, const VisibleKeys &keys, mlir::Value values, int64_t firstKey,
                       double hidden = -1.0e38);

/// 2^x of 16 lanes with AVX-512: 2^floor(x) by vscalefps, which also makes -1e38 a zero, times a polynomial in
/// x - floor(x), highest coefficient first.
mlir::Value exp2Wide(KernelBuilder &k, mlir::Value x, llvm::ArrayRef<double> coefficients);

/// i1: whether any lane of `a` is greater than that of `v`.
mlir::Value anyGreater(KernelBuilder &k, mlir::Value a, mlir::Value v);

/// Calls `body` with each query head of an item, f32 [D] in memory, and its row: tokens outermost.
void forEachQuery(KernelBuilder &k, const AttendShape &shape, const AttendWords &words, const AttendItem &item,
                  llvm::function_ref<void(mlir::Value query, mlir::Value row)> body);

/// How the floats of a query head become integers, relative to its largest. One too small for that is zero; a NaN stays
/// one, in the factor.
struct QueryUnit {
  mlir::Value inverse; ///< 16 lanes: times a float, the integer
  mlir::Value factor;  ///< f32: times a sum of the integers, that of the floats times `scale`
};
QueryUnit queryUnit(KernelBuilder &k, mlir::Value query, int64_t dim, double largest, double scale);

/// Stores sums / total of one head of token `row`, at `sums` of the scratch: in the result, or in place for the sink.
/// `total`: 16 lanes of the weights' sum, relative to exp(`largest`).
void storeHead(KernelBuilder &k, const AttendShape &shape, const AttendWords &words, mlir::Value row, mlir::Value head,
               mlir::Value sums, mlir::Value total, mlir::Value largest);

/// Emits items. Keys go by blocks of 64: scores (a page of 16 keys is a vector; K pages are [D][16]), online softmax
/// (Milakov & Gimelshein 2018; FlashAttention-2, section 3.1) and the weighted sum of V rows. T x T never exists.
///
/// With an int8 cache both products are of integers (CodeProducts): queries are rounded to 16 bits once an item,
/// relative to the largest of a head, and weights once a block of 64 keys, so that scores and sums are off by 2^-15 or
/// so. Scales meet the integers' sums: those of keys in the score, those of values in the weight before it is rounded.
///
/// An item of one token goes block by block through all of its heads: K and V of all heads of a page lie side by side.
/// The scores of all heads come first, then all weights, then all sums: what one step waits for at its end is little of
/// that. The next block, of the item or of what follows, comes into L2 while a block is computed. One prefetch to L1
/// after another leaves a core of a Zen 4 at 12 of the 20 GB/s that it reads this way: it has few places for what
/// misses L1.
class AttendEmitter {
public:
  AttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words, const AttendTile &tile,
                int64_t itemTokens, int64_t itemHeads);

  /// Before items of these heads and tokens: what they share.
  void prepare(const AttendItem &item);
  void emitItem(const AttendItem &item);

private:
  struct Range {
    mlir::Value begin, end; ///< keys [begin, end)
  };
  /// Some tokens of an item, all heads, against one block of keys.
  struct Tile {
    mlir::Value firstKey; ///< of the block
    mlir::Value token;    ///< the first, counted in the item
    mlir::Value rowCount; ///< live rows
    mlir::Value visible;  ///< keys of the block up to the last one that any of the rows sees
    mlir::Value whole;    ///< i1: every row sees all 64 keys
  };
  Range keyRange(const AttendItem &item);
  void clearState();
  void forEachKvHead(const AttendItem &item, llvm::function_ref<void(const AttendItem &)> body);
  void notePages(mlir::Value table, mlir::Value first, mlir::Value last, int64_t at);
  void noteAhead(const AttendItem &item, mlir::Value firstKey, mlir::Value endKey);
  mlir::Value pageAddress(const AttendItem &item, mlir::Value page, int64_t at, int64_t headBytes, bool ahead = false);
  void prefetchValues(const AttendItem &item, mlir::Value key);
  void emitBlock(const AttendItem &item, mlir::Value firstKey, mlir::Value endKey);
  Tile tileAt(const AttendItem &item, mlir::Value token, mlir::Value firstKey, mlir::Value endKey);
  void forEachHeads(llvm::function_ref<void(mlir::Value)> body);
  /// A row of the tile, its first head being `head` of the group, counted from that head of the tile's first token.
  int64_t rowOf(int64_t r) const { return r / tile_.heads * shape_.group() + r % tile_.heads; }
  mlir::Value loadElements(mlir::Value base, mlir::Value offset, int64_t disp);
  void addProducts(KernelBuilder::Values &acc, int64_t vectors, llvm::function_ref<mlir::Value(int64_t)> row,
                   llvm::function_ref<mlir::Value(int64_t)> vector);
  void emitScores(const AttendItem &item, const Tile &tile, mlir::Value head);
  void emitSoftmax(const AttendItem &item, const Tile &tile);
  void emitSoftmaxRow(const Tile &tile, mlir::Value row, bool masked, mlir::ValueRange valueScales);
  KernelBuilder::Values scoresOf(mlir::Value row, const std::optional<VisibleKeys> &keys);
  mlir::Value largestFor(mlir::Value itemRow, mlir::ValueRange scores);
  void rescaleRow(mlir::Value row, mlir::Value largest, mlir::Value now);
  void emitValues(const AttendItem &item, const Tile &tile, mlir::Value head);
  // The same with an int8 cache.
  void packQueries(const AttendItem &item);
  void packQuery(mlir::Value query, mlir::Value row);
  void emitCodeScores(const AttendItem &item, const Tile &tile, mlir::Value head);
  KernelBuilder::Values scorePages(const Tile &tile, mlir::Value head, mlir::ValueRange pages, mlir::ValueRange nexts);
  void storeWeights(mlir::Value row, mlir::ValueRange weights, mlir::ValueRange scales,
                    const std::optional<VisibleKeys> &keys);
  void emitCodeValues(const AttendItem &item, const Tile &tile, mlir::Value head);
  KernelBuilder::Values sumPage(const AttendItem &item, const Tile &tile, mlir::Value column, mlir::Value weights,
                                mlir::Value key, mlir::ValueRange sums);
  void storeRows(const AttendItem &item);
  void storeRow(const AttendItem &item, mlir::Value row);
  KernelBuilder::Values scaleAddresses(const AttendItem &item);
  mlir::Value weightOf(mlir::Value exponent);

  KernelBuilder &k_;
  const AttendShape &shape_;
  AttendWords words_;
  AttendTile tile_;
  AttendScratch at_;
  int64_t lanes_;              ///< of a vector of sums of an f16 or f32 cache
  CodeProducts keys_, values_; ///< for an int8 cache
  mlir::Value state_;          ///< of the current KV head
  mlir::Value scores_;         ///< of the current KV head
  mlir::Value table_;          ///< block table row of the current item's sequence
  mlir::Value first_;          ///< position of the item's first token
};

} // namespace llmc
