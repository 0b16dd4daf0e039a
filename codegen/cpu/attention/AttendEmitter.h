// Writes the code of one attention work item: query rows of one KV head against a range of keys, flash style.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "codegen/cpu/attention/AttendShape.h"

namespace llmc {

/// Pointers an attention kernel works on; rows as in the ABI.
struct AttendWords {
  mlir::Value query; ///< f32 [T, heads * D]
  mlir::Value cache; ///< this layer in page 0
  mlir::Value batch;
  mlir::Value result;  ///< f32 [T, heads * D] or the parts
  mlir::Value scratch; ///< this worker's
};

/// One item: tokens [firstToken, firstToken + tokenCount) of the step, all of sequence `sequence`, KV head `kvHead`.
struct AttendItem {
  mlir::Value firstToken, tokenCount, sequence, kvHead;
  mlir::Value split; ///< null when the whole context is one
};

/// Emits items. Keys go by blocks of 64: scores (a page of 16 keys is a vector; K pages are [D][16]), online softmax
/// (Milakov & Gimelshein 2018; FlashAttention-2, section 3.1) and the weighted sum of V rows. T x T never exists.
class AttendEmitter {
public:
  AttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words, const AttendTile &tile,
                int64_t itemTokens);

  void emitItem(const AttendItem &item);

private:
  struct Range {
    mlir::Value begin, end; ///< keys [begin, end)
  };
  Range keyRange(const AttendItem &item);
  void clearState();
  void emitBlock(const AttendItem &item, mlir::Value firstKey, mlir::Value endKey);
  /// Calls body(tileToken, tileHead) for each register tile that has a live row.
  void forEachTile(const AttendItem &item, llvm::function_ref<void(mlir::Value, mlir::Value)> body);
  void emitScores(const AttendItem &item, mlir::Value token, mlir::Value head, mlir::Value firstKey,
                  mlir::Value endKey);
  void emitSoftmaxRow(const AttendItem &item, mlir::Value row, mlir::Value firstKey, mlir::Value endKey);
  void emitValues(const AttendItem &item, mlir::Value token, mlir::Value head, mlir::Value firstKey,
                  mlir::Value endKey);
  void storeRows(const AttendItem &item);
  void storeRow(const AttendItem &item, mlir::Value row);
  mlir::Value pageAddress(const AttendItem &item, mlir::Value page, int64_t extra);
  mlir::Value position(const AttendItem &item, mlir::Value row);
  mlir::Value scratchRow(mlir::Value token, mlir::Value head);

  KernelBuilder &k_;
  const AttendShape &shape_;
  AttendWords words_;
  AttendTile tile_;
  int64_t rows_;             ///< rows of an item: itemTokens * group
  int64_t sumsAt_, stateAt_; ///< byte offsets in the scratch
  mlir::Value table_;        ///< block table row of the current item's sequence
};

} // namespace llmc
