// Linear kernels as MLIR text, for tests of what is generated from them.
#pragma once

#include "codegen/registry/PackedLayout.h"
#include "tests/unit/codegen/cuda/module_text.h"
#include <utility>

namespace llmc {

/// Types of one product's kernel: y[T, n] = x[T, k] * w[n, k]^T.
struct ProductText {
  int64_t n = 64, k = 96;
  std::string quant = "bf16"; ///< of the weight: "i4, 32, asym"

  static std::string activation(int64_t columns, const std::string &element = "f32", const std::string &rows = "T") {
    std::string count = rows == "T" || rows == "S" ? "?" : rows;
    return "tensor<" + count + "x" + std::to_string(columns) + "x" + element + ", #llm.dims<[" + rows + ", " +
           std::to_string(columns) + "]>>";
  }
  static std::string vector(int64_t length) { return "!llm.weight<[" + std::to_string(length) + "], #llm.q<f32>>"; }
  std::string weight() const {
    return "!llm.weight<[" + std::to_string(n) + ", " + std::to_string(k) + "], #llm.q<" + quant + ">>";
  }

  /// Type of x: bf16 rows, 8-bit floats for weights of these.
  std::string input(const std::string &rows = "T") const {
    return quant == "e4m3" ? "!llm.qact<[" + rows + ", " + std::to_string(k) + "], e4m3>" : activation(k, "bf16", rows);
  }

  /// The module: `body` after the arguments %x, %w, %batch, %other (f32 rows of `otherColumns`) and %bias; it yields
  /// %y of `result`.
  std::string module(const std::string &body, const std::string &result, int64_t otherColumns = 0,
                     const std::string &rows = "T") const {
    return "!x = " + input(rows) + "\n!w = " + weight() + "\n!sums = " + activation(n, "f32", rows) +
           "\n!bias = " + vector(n) + "\n!other = " + activation(otherColumns ? otherColumns : n, "f32", rows) +
           "\n!y = " + result +
           "\nkern.func @product(%x: !x, %w: !w, %batch: !llm.batch, %other: !other, %bias: !bias) -> !y " +
           "attributes {hero = \"linear\"} {\n" + body + "  kern.yield %y : !y\n}\n";
  }
  /// The product alone.
  std::string plain(const std::string &rows = "T") const {
    return module("  %y = llm.linear %x, %w : (!x, !w) -> !y\n", activation(n, "f32", rows), 0, rows);
  }
};

/// Weights of every fragment layout as #llm.q writes them, with their layouts.
inline constexpr std::pair<const char *, Layout> kProductWeights[] = {{"bf16", Layout::BF16M16K16},
                                                                      {"f16", Layout::F16M16K16},
                                                                      {"i8, 32, sym", Layout::Q8M16K32},
                                                                      {"i4, 32, sym", Layout::Q4M16K64Sym},
                                                                      {"i4, 32, asym", Layout::Q4M16K64Asym},
                                                                      {"i4, 128, asym", Layout::Q4M16K128Asym},
                                                                      {"e4m3", Layout::E4M3M16K32},
                                                                      {"i5, 32, sym", Layout::Q5M16K64Sym},
                                                                      {"i5, 32, asym", Layout::Q5M16K64Asym},
                                                                      {"i4, 32, asym, k256", Layout::Q4KM16K128},
                                                                      {"i5, 32, asym, k256", Layout::Q5KM16K128},
                                                                      {"i6, 16, sym, k256", Layout::Q6KM16K128}};
/// Whether a layout's kernel is that of 4-bit codes with more to unpack: GGUF's 5-bit and K types. What is slow to test
/// meets them by turns.
inline bool isUnpackedMore(Layout layout) { return quantFormat(layout).byteScales || upperLines(layout) == 1; }

} // namespace llmc
