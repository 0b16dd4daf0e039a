// Where the heads of a kernel with llm.kv_write go: queries to the result, keys and values to the pages of the cache.
#pragma once

#include "codegen/cpu/kvwrite/HeadEmitter.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMTypes.h"

namespace llmc {

/// Heads of one value that are stored in one way, beginning with head `first` of all that the kernel makes of a token:
/// those of its results, then keys, then values.
struct HeadPart {
  enum Kind { Result, Key, Value } kind;
  mlir::Value value;
  int64_t first, heads;
  mlir::Value target = {}; ///< Result: pointer of its row 0
};

/// A layer of a page, in f16 or f32: K [kv head][D][16 tokens], V [kv head][16 tokens][D]. With int8 four neighbours
/// that one lane of an integer product adds up make a word: K [kv head][D / 4][16 tokens][4], each code + 128, V [kv
/// head][4][D][4 tokens], then the f32 scales of K, then those of V [kv head][16 tokens]. A code times its scale is the
/// value; a head's largest one is 127.
class HeadWriter {
public:
  HeadWriter(KernelBuilder &k, RegionEmitter &region, llm::KvWriteOp write)
      : k_(k), region_(region), write_(write), kv_(write.getKv().getType()) {}

  /// Fills parts(). Failure: a diagnostic on what has no code.
  mlir::LogicalResult collect(kern::FuncOp function);

  llvm::ArrayRef<HeadPart> parts() const { return parts_; }
  int64_t heads() const { return parts_.back().first + parts_.back().heads; }

  /// Computes head `head` of the part at `row` and stores it.
  void emit(const HeadPart &part, mlir::Value row, mlir::Value head);

private:
  /// Where a row's head lies.
  struct Place {
    mlir::Value layer; ///< of the page of the row's slot
    mlir::Value token; ///< the slot's place in its page
    mlir::Value head;
  };
  void storeResult(const HeadPart &part, mlir::Value row, mlir::Value head, llvm::ArrayRef<mlir::Value> chunks);
  void storeKey(mlir::Value row, mlir::Value head, llvm::ArrayRef<mlir::Value> chunks);
  void storeValue(mlir::Value row, mlir::Value head, llvm::ArrayRef<mlir::Value> chunks);
  bool int8() const { return kv_.getKind() == llm::QuantKind::I8; }
  /// The chunks as the cache's elements; with int8 their scale is stored as that of keys or values.
  KernelBuilder::Values encoded(const Place &at, llvm::ArrayRef<mlir::Value> chunks, bool values);
  void storeKeyCodes(const Place &to, llvm::ArrayRef<mlir::Value> codes);
  void storeValueCodes(const Place &to, llvm::ArrayRef<mlir::Value> codes);
  Place place(mlir::Value row, mlir::Value head);

  KernelBuilder &k_;
  RegionEmitter &region_;
  llm::KvWriteOp write_;
  llm::KvType kv_;
  llvm::SmallVector<HeadPart> parts_;
};

} // namespace llmc
