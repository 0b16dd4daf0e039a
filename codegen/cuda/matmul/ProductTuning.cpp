// A record stands for a configuration of the model's own list: nothing else has been checked.
#include "codegen/cuda/matmul/ProductTuning.h"

#include "llvm/ADT/STLExtras.h"
#include <optional>
#include <set>

namespace llmc {

static constexpr llvm::StringLiteral kNames[] = {"form",   "k_warps", "splits", "row_warps", "token_warps",
                                                 "panels", "tiles",   "held",   "stages",    "cluster"};

static std::optional<int64_t> numberOf(const ProductConfig &config, llvm::StringRef name) {
  const int64_t values[] = {static_cast<int64_t>(config.form),
                            config.kWarps,
                            config.splits,
                            config.rowWarps,
                            config.tokenWarps,
                            config.panels,
                            config.tiles,
                            config.held,
                            config.stages,
                            config.cluster};
  const auto *found = llvm::find(kNames, name);
  return found == std::end(kNames) ? std::nullopt : std::optional(values[found - std::begin(kNames)]);
}

std::vector<TunedNumber> productNumbers(const ProductConfig &config) {
  static constexpr llvm::StringLiteral kStream[] = {"k_warps", "splits", "panels", "held"};
  static constexpr llvm::StringLiteral kOthers[] = {"form",   "splits", "row_warps", "token_warps",
                                                    "panels", "tiles",  "stages",    "cluster"};
  std::vector<TunedNumber> numbers;
  for (llvm::StringRef name : config.streams() ? llvm::ArrayRef(kStream) : llvm::ArrayRef(kOthers))
    numbers.push_back({name.str(), *numberOf(config, name)});
  return numbers;
}

/// "k_warps 5: expected 4, 6, 8" of the values that `configs` have.
static std::string valueFault(const TunedNumber &number, llvm::ArrayRef<ProductConfig> configs) {
  std::set<int64_t> values;
  for (const ProductConfig &config : configs)
    values.insert(*numberOf(config, number.name));
  std::string text = number.name + " " + std::to_string(number.value) + ": expected ";
  for (bool first = true; int64_t value : values)
    text += (std::exchange(first, false) ? "" : ", ") + std::to_string(value);
  return text;
}

ProductConfig productWith(const Arch &arch, const ProductShape &shape, llvm::ArrayRef<TunedNumber> numbers,
                          std::string &fault, bool warpgroups) {
  fault.clear();
  std::vector<ProductConfig> configs = legalProducts(arch, shape, warpgroups);
  const ProductConfig best = fastestProduct(arch, shape, configs);
  for (const TunedNumber &number : numbers) {
    if (!llvm::is_contained(kNames, number.name)) {
      fault = "unknown number '" + number.name + "'";
      return best;
    }
    std::vector<ProductConfig> kept;
    llvm::copy_if(configs, std::back_inserter(kept),
                  [&](const ProductConfig &config) { return numberOf(config, number.name) == number.value; });
    if (kept.empty()) {
      fault = valueFault(number, configs) + " on " + arch.name.str() + ", with the numbers before it";
      return best;
    }
    configs = std::move(kept);
  }
  return fastestProduct(arch, shape, configs);
}

std::vector<TunedNumber> tunedNumbers(kern::FuncOp function, int64_t mMax, llvm::StringRef arch) {
  std::vector<TunedNumber> numbers;
  if (!function.getConfigAttr())
    return numbers;
  for (auto config : function.getConfigAttr().getAsRange<kern::ConfigAttr>()) {
    if (config.getMMax() != mMax)
      continue;
    if (auto values = config.getParams().getAs<mlir::DictionaryAttr>(arch))
      for (mlir::NamedAttribute number : values)
        if (auto value = mlir::dyn_cast<mlir::IntegerAttr>(number.getValue()))
          numbers.push_back({number.getName().str(), value.getInt()});
  }
  return numbers;
}

/// What is wrong with a record for CUDA; empty: nothing.
static std::string recordFault(const TuningRecord &record) {
  const Arch *arch = findArch(record.arch);
  if (!arch)
    return "unknown architecture '" + rt::escaped(record.arch) + "'";
  std::optional<CudaProduct> product = readCudaProduct(record.shape);
  if (record.family != "linear" || !product)
    return "expected the family linear and a product such as 960x576,q4m16k64-asym,1, found '" +
           rt::escaped(record.family + " " + record.shape) + "'";
  if (!llvm::is_contained(kCudaRowClasses, record.mMax))
    return "expected a row class of 8, 16, 32, 64, 512 or 0, found " + std::to_string(record.mMax);
  std::string fault;
  productWith(*arch, {product->n, product->k, product->layout, record.mMax, product->unitPanels}, record.numbers,
              fault);
  return fault;
}

rt::Status checkProductRecords(const TuningDatabase &database, llvm::StringRef name) {
  for (const TuningRecord &record : database.records()) {
    if (record.target != "cuda")
      continue;
    if (std::string fault = recordFault(record); !fault.empty())
      return rt::Status::error(rt::ErrorKind::kBadInput, "TUNE_FILE",
                               rt::escaped(name.str()) + ":" + std::to_string(record.line) + ": " + fault,
                               "llmc tune writes such files");
  }
  return rt::Status::ok();
}

} // namespace llmc
