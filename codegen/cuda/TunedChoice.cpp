// Reads the attributes that kern-select-config leaves, and says what a number should have been.
#include "codegen/cuda/TunedChoice.h"

namespace llmc {

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

std::vector<TunedNumber> numbersFor(const CudaRequest &request) {
  if (!request.tuned.empty())
    return request.tuned.vec();
  return request.arch.measurable ? tunedNumbers(request.function, request.mMax, request.arch.name)
                                 : std::vector<TunedNumber>();
}

std::string describeValueFault(const TunedNumber &number, const std::set<int64_t> &values, llvm::StringRef arch) {
  std::string text = number.name + " " + std::to_string(number.value) + ": expected ";
  for (bool first = true; int64_t value : values)
    text += (std::exchange(first, false) ? "" : ", ") + std::to_string(value);
  return text + " on " + arch.str() + ", with the numbers before it";
}

} // namespace llmc
