// A record stands for a configuration of the model's own list: nothing else has been checked.
#include "codegen/cuda/matmul/ProductTuning.h"

namespace llmc {

using Number = ConfigNumber<ProductConfig>;

static constexpr Number kNumbers[] = {
    {"form", [](const ProductConfig &config) { return static_cast<int64_t>(config.form); }},
    {"k_warps", [](const ProductConfig &config) { return config.kWarps; }},
    {"splits", [](const ProductConfig &config) { return config.splits; }},
    {"row_warps", [](const ProductConfig &config) { return config.rowWarps; }},
    {"token_warps", [](const ProductConfig &config) { return config.tokenWarps; }},
    {"panels", [](const ProductConfig &config) { return config.panels; }},
    {"tiles", [](const ProductConfig &config) { return config.tiles; }},
    {"held", [](const ProductConfig &config) { return config.held; }},
    {"stages", [](const ProductConfig &config) { return config.stages; }},
    {"cluster", [](const ProductConfig &config) { return config.cluster; }}};

std::vector<TunedNumber> productNumbers(const ProductConfig &config) {
  static constexpr llvm::StringLiteral kStream[] = {"k_warps", "splits", "panels", "held"};
  static constexpr llvm::StringLiteral kOthers[] = {"form",   "splits", "row_warps", "token_warps",
                                                    "panels", "tiles",  "stages",    "cluster"};
  std::vector<TunedNumber> numbers;
  for (const Number &number : kNumbers)
    if (llvm::is_contained(config.streams() ? llvm::ArrayRef(kStream) : llvm::ArrayRef(kOthers), number.name))
      numbers.push_back({number.name.str(), number.of(config)});
  return numbers;
}

ProductConfig productWith(const Arch &arch, const ProductShape &shape, llvm::ArrayRef<TunedNumber> numbers,
                          std::string &fault, bool warpgroups) {
  return fastestProduct(
      arch, shape,
      configsWith<ProductConfig>(legalProducts(arch, shape, warpgroups), numbers, kNumbers, arch.name, fault));
}

} // namespace llmc
