// Writes the code of one attention work item: query rows of one KV head against a range of keys, flash style.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/cpu/attention/AttendShape.h"
#include <functional>

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

/// The first keys of what a worker reads next: pages [firstPage, lastPage] of a sequence's row of the block table, by
/// KV head `kvHead` (null: of all heads).
struct AttendNext {
  mlir::Value table, firstPage, lastPage, kvHead;
};

/// One item: tokens [firstToken, firstToken + tokenCount) of the step, all of sequence `sequence`, KV head `kvHead`.
struct AttendItem {
  mlir::Value firstToken, tokenCount, sequence, kvHead;
  mlir::Value split; ///< null when the whole context is one
  mlir::Value heads; ///< null, or how many KV heads from `kvHead` on
  AttendNext next;   ///< what this worker reads after the item; null for blocks of query tokens
};

/// Keys in one of shape.splits parts of a context of `length` keys: whole pages.
mlir::Value splitTokens(KernelBuilder &k, const AttendShape &shape, mlir::Value length);

/// Keys of a block that one row sees, relative to the block: [begin, end), without `begin` all before `end`.
struct VisibleKeys {
  mlir::Value begin, end;
};

/// Those of a row at position `here` (relative to the block), of which keys from `end` on do not exist.
VisibleKeys visibleKeys(KernelBuilder &k, const AttendShape &shape, mlir::Value here, mlir::Value end);

/// Scores of the block's keys firstKey + 0..15 with -3e38 for those that the row does not see.
mlir::Value maskHidden(KernelBuilder &k, const VisibleKeys &keys, mlir::Value scores, int64_t firstKey);

/// i1: whether any lane of `a` is greater than that of `v`.
mlir::Value anyGreater(KernelBuilder &k, mlir::Value a, mlir::Value v);

/// 16 keys' or values' elements at `base` + `offset` + `disp` as f32, not yet times their scales.
mlir::Value loadCached(KernelBuilder &k, const AttendShape &shape, mlir::Value base, mlir::Value offset, int64_t disp);

/// Stores sums / total of one head of token `row`, at `sums` of the scratch: in the result, or in place for the sink.
/// `total`: 16 lanes of the weights' sum, relative to exp(`largest`).
void storeHead(KernelBuilder &k, const AttendShape &shape, const AttendWords &words, mlir::Value row, mlir::Value head,
               mlir::Value sums, mlir::Value total, mlir::Value largest);

/// Emits items. Keys go by blocks of 64: scores (a page of 16 keys is a vector; K pages are [D][16]), online softmax
/// (Milakov & Gimelshein 2018; FlashAttention-2, section 3.1) and the weighted sum of V rows. T x T never exists.
///
/// An item of several heads goes block by block through all of them: K and V of all heads of a page lie side by side.
/// Where items have one token, the next block, of the item or of what follows, comes into L2 while a block is computed.
/// One prefetch to L1 after another leaves a core of a Zen 4 at 12 of the 20 GB/s that it reads this way: it has few
/// places for what misses L1.
class AttendEmitter {
public:
  AttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words, const AttendTile &tile,
                int64_t itemTokens);

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
  void clearState(mlir::Value heads);
  void selectHead(mlir::Value head);
  void noteAhead(const AttendItem &item, mlir::Value firstKey, mlir::Value endKey);
  mlir::Value ahead(const AttendItem &item, mlir::Value page, int64_t extra);
  void prefetchValues(const AttendItem &item, mlir::Value key, mlir::Value column, int64_t columns);
  void emitBlock(const AttendItem &item, mlir::Value firstKey, mlir::Value endKey);
  Tile tileAt(const AttendItem &item, mlir::Value token, mlir::Value firstKey, mlir::Value endKey);
  void forEachHeads(llvm::function_ref<void(mlir::Value)> body);
  void emitScores(const AttendItem &item, const Tile &tile, mlir::Value head);
  void emitSoftmaxRow(const Tile &tile, mlir::Value row, bool masked, mlir::ValueRange valueScales);
  void rescaleRow(mlir::Value row, mlir::Value largest, mlir::Value now);
  void emitValues(const AttendItem &item, const Tile &tile, mlir::Value head);
  void storeRows(const AttendItem &item);
  void storeRow(const AttendItem &item, mlir::Value row);
  /// What the item's head has in the part of page `page` that starts at `at`, `headBytes` a head.
  mlir::Value pageAddress(const AttendItem &item, mlir::Value page, int64_t at, int64_t headBytes);
  KernelBuilder::Values scaleAddresses(const AttendItem &item, const Tile &tile);

  KernelBuilder &k_;
  const AttendShape &shape_;
  AttendWords words_;
  AttendTile tile_;
  AttendScratch at_;
  mlir::Value state_; ///< of the current head
  mlir::Value table_; ///< block table row of the current item's sequence
  mlir::Value first_; ///< position of the item's first token
};

} // namespace llmc
