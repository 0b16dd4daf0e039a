// Configurations by the numbers that the IR and a tuning database have of them: what all families share.
#pragma once

#include "codegen/cuda/KernelText.h"
#include "llvm/ADT/STLExtras.h"
#include <set>
#include <vector>

namespace llmc {

/// Numbers that kern-select-config has left for a variant of `function` on an architecture; none: the model decides.
std::vector<TunedNumber> tunedNumbers(kern::FuncOp function, int64_t mMax, llvm::StringRef arch);
/// Those of the request, else those of its function.
std::vector<TunedNumber> numbersFor(const CudaRequest &request);

/// "k_warps 5: expected 4, 6, 8 on sm_90a, with the numbers before it".
std::string describeValueFault(const TunedNumber &number, const std::set<int64_t> &values, llvm::StringRef arch);

/// One number that configurations of a family are told apart by.
template <typename Config> struct ConfigNumber {
  llvm::StringLiteral name;
  int64_t (*of)(const Config &);
};

/// The configurations of `configs` that have `numbers`. An unknown name, or numbers that none has: a text in `fault`
/// (else empty), and `configs` as they are.
template <typename Config>
std::vector<Config> configsWith(std::vector<Config> configs, llvm::ArrayRef<TunedNumber> numbers,
                                llvm::ArrayRef<ConfigNumber<Config>> names, llvm::StringRef arch, std::string &fault) {
  fault.clear();
  std::vector<Config> left = configs;
  for (const TunedNumber &number : numbers) {
    const auto *found = llvm::find_if(names, [&](const auto &one) { return one.name == number.name; });
    if (found == names.end()) {
      fault = "unknown number '" + number.name + "'";
      return configs;
    }
    std::vector<Config> kept;
    std::set<int64_t> values;
    for (const Config &config : left) {
      values.insert(found->of(config));
      if (found->of(config) == number.value)
        kept.push_back(config);
    }
    if (kept.empty()) {
      fault = describeValueFault(number, values, arch);
      return configs;
    }
    left = std::move(kept);
  }
  return left;
}

} // namespace llmc
