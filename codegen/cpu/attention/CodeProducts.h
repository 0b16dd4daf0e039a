// Integer dot products of the cache's bytes and factors of 16 bits.
#pragma once

#include "codegen/cpu/KernelBuilder.h"

namespace llmc {

/// A word of 32 bits holds the codes of four neighbours (dimensions of a key, tokens of a value), a register those of
/// 16 or 8 keys or columns, which is what a sum has a lane for. Four factors are two words, broadcast:
///
/// - with VNNI the high bytes of the four factors, then the low ones. Each is one vpdpbusd with the codes as they lie;
/// a
///   sum is two registers, of high and of low bytes.
/// - else factors 0 and 2, then 1 and 3, against the even and the odd codes, 16 bits each, by vpmaddwd and vpaddd.
///
/// Both are exact and wrap like i32: equal bits at every level.
class CodeProducts {
public:
  /// Which of the two factors of a product has a sign.
  enum Signs { SignedFactors, SignedCodes };

  CodeProducts(KernelBuilder &k, Signs signs)
      : k_(k), signs_(signs), planes_(k.level().vnni), lanes_(k.level().avx512 ? 16 : 8) {}

  /// Of a register.
  int64_t lanes() const { return lanes_; }
  /// Registers that 16 lanes take.
  int64_t parts() const { return 16 / lanes_; }
  /// Registers of one sum.
  int64_t registers() const { return planes_ ? 2 : 1; }
  mlir::VectorType sumType() { return k_.vec(lanes_, k_.i32()); }

  /// 16 factors, i32, as the 32 bytes that load() takes: signed ones within 127 * 256, others below 32,768.
  mlir::Value pack(mlir::Value factors);
  /// The words of four factors at `base` + `offset` + `disp`, broadcast.
  KernelBuilder::Values load(mlir::Value base, mlir::Value offset, int64_t disp);
  /// A register of codes as add() takes it.
  KernelBuilder::Values codes(mlir::Value base, mlir::Value offset, int64_t disp);
  /// The registers of a sum that begins at `start` (i32 in each lane).
  KernelBuilder::Values begin(mlir::Value start);
  void add(llvm::MutableArrayRef<mlir::Value> sum, llvm::ArrayRef<mlir::Value> codes,
           llvm::ArrayRef<mlir::Value> factors);
  /// i32 in each lane.
  mlir::Value total(llvm::ArrayRef<mlir::Value> sum);

  static constexpr int64_t kLargestFactor = 127 * 256;

private:
  KernelBuilder &k_;
  Signs signs_;
  bool planes_;
  int64_t lanes_;
};

} // namespace llmc
