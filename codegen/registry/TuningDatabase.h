// The text file that `llmc tune` writes and `llmc build --tuning` reads: configurations measured on some machine.
#pragma once

#include "codegen/registry/MatmulTuning.h"
#include "codegen/registry/PackedLayout.h"
#include "runtime/base/status.h"
#include <optional>

namespace llmc {

/// One line: what was measured to be best for one shape and class of row counts on one architecture.
struct TuningRecord {
  std::string target; ///< "cpu" or "cuda"
  std::string arch;   ///< CPU level or CUDA architecture
  std::string family; ///< hero of the kernel: "linear", "attend"
  std::string shape;  ///< of the family: productKey(), cudaProductKey(), attentionKey()
  int64_t mMax = 0;   ///< row class; 0: any number of rows
  std::vector<TunedNumber> numbers;
  unsigned line = 0; ///< of the file, from 1

  /// "cpu x86-64-v4 linear 960x576,q4n16k4-asym,int8 4 tile_rows=2", as in the file.
  std::string print() const;
};

/// "960x576,q4n16k4-asym,int8": what a product's configuration depends on besides level and row class.
std::string productKey(const MatmulShape &shape);

/// The same on CUDA: `unitPanels` panels of 16 rows make an element of the result (2: interleaved gate and up).
struct CudaProduct {
  int64_t n = 0, k = 0;
  Layout layout = Layout::BF16M16K16; ///< of fragments
  int64_t unitPanels = 1;
};
/// "960x576,q4m16k64-asym,1".
std::string cudaProductKey(const CudaProduct &product);
/// Nothing: not such a key.
std::optional<CudaProduct> readCudaProduct(llvm::StringRef key);

/// Row classes of products on CUDA: up to 64 tokens that a block multiplies at once, whole tiles of 8, the least a
/// tensor core takes; chunks of prompts and large batches, where the tiles that are best for long prompts are too few
/// for all multiprocessors; 0: any number.
inline constexpr int64_t kCudaRowClasses[] = {8, 16, 32, 64, 512, 0};
/// Products of fewer weights have no class of 512: whatever the tiles, they are too few, and each class is a kernel
/// more.
inline constexpr int64_t kLeastChunkedWeights = int64_t{1} << 22;

/// Records of a file, each for another (target, arch, family, shape, class). Lines are independent; `#` starts a
/// comment; the first line that is not one is `llmc-tuning 1`.
class TuningDatabase {
public:
  static constexpr llvm::StringLiteral kHeader = "llmc-tuning 1";

  /// `name`: for messages. Error TUNE_FILE (65) with name, line, what was expected and what was found: numbers of CPU
  /// records must be legal for their level, shape and class; those for CUDA are checkCudaRecords()'s.
  static rt::Result<TuningDatabase> parse(llvm::StringRef text, llvm::StringRef name);
  /// Also TUNE_FILE (66) when the file cannot be read.
  static rt::Result<TuningDatabase> read(const std::string &path);

  llvm::ArrayRef<TuningRecord> records() const { return records_; }
  /// Null: nothing is known of it.
  const TuningRecord *find(llvm::StringRef target, llvm::StringRef arch, llvm::StringRef family, llvm::StringRef shape,
                           int64_t mMax) const;

private:
  std::vector<TuningRecord> records_;
};

} // namespace llmc
