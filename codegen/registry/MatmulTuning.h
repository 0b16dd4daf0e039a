// Numbers of product configurations that were measured on some machine and stand for those of the table.
#pragma once

#include "codegen/registry/MatmulConfig.h"
#include "codegen/registry/TunedNumber.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <vector>

namespace llmc {

/// Names of a MatmulConfig's numbers: "tile_rows", "tile_panels", "tail_rows", "row_block", "group_block",
/// "groups_per_iter", "row_scales", "unpack", "prefetch_bytes".
llvm::ArrayRef<llvm::StringLiteral> matmulNumberNames();

/// Why generated code would be wrong or impossible with `config`; empty: it is legal.
std::string matmulFault(const Level &level, const MatmulShape &shape, const MatmulConfig &config);

/// The table's configuration of `shape` with `numbers` in it. What follows from a number (a short last tile, the block
/// of rows) follows it, unless it is given too. An unknown name or an illegal result: a text in `fault`, else empty.
MatmulConfig matmulWith(const Level &level, const MatmulShape &shape, llvm::ArrayRef<TunedNumber> numbers,
                        std::string &fault);

/// Values worth measuring for each number that can vary in `shape`'s variant, the table's first; alone each is legal.
struct MatmulAxis {
  std::string name;
  std::vector<int64_t> values;
};
std::vector<MatmulAxis> matmulAxes(const Level &level, const MatmulShape &shape);

/// Choices for the levels and row classes of one product; shapes point to it.
class MatmulTuning {
public:
  void set(llvm::StringRef level, int64_t mMax, std::vector<TunedNumber> numbers);
  /// Empty: nothing was chosen.
  llvm::ArrayRef<TunedNumber> numbers(llvm::StringRef level, int64_t mMax) const;

private:
  struct Choice {
    std::string level;
    int64_t mMax;
    std::vector<TunedNumber> numbers;
  };
  std::vector<Choice> choices_;
};

} // namespace llmc
