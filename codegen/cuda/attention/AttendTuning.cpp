// A record stands for a layout of the list of legal ones: nothing else has been checked.
#include "codegen/cuda/attention/AttendTuning.h"

#include <cmath>

namespace llmc {

using Number = ConfigNumber<CudaAttendLayout>;

static constexpr Number kNumbers[] = {{"parts", [](const CudaAttendLayout &layout) { return layout.parts; }},
                                      {"row_warps", [](const CudaAttendLayout &layout) { return layout.tileWarps; }},
                                      {"row_blocks", [](const CudaAttendLayout &layout) { return layout.rowBlocks; }},
                                      {"pages", [](const CudaAttendLayout &layout) { return layout.tilePages; }},
                                      {"score_pages", [](const CudaAttendLayout &layout) { return layout.scorePages; }},
                                      {"warps", [](const CudaAttendLayout &layout) { return layout.splitWarps; }},
                                      {"stages", [](const CudaAttendLayout &layout) { return layout.stages; }},
                                      {"blocks", [](const CudaAttendLayout &layout) { return layout.blocks; }}};

std::vector<TunedNumber> attendNumbers(const CudaAttendLayout &layout) {
  std::vector<TunedNumber> numbers;
  for (const Number &number : kNumbers)
    if (const int64_t value = number.of(layout)) // 0: of the other form
      numbers.push_back({number.name.str(), value});
  return numbers;
}

CudaAttendLayout attendLayoutWith(const Arch &arch, const CudaAttendShape &shape, llvm::ArrayRef<TunedNumber> numbers,
                                  std::string &fault) {
  fault.clear();
  if (numbers.empty())
    return chooseAttendLayout(shape, arch);
  return configsWith<CudaAttendLayout>(legalAttendLayouts(shape, arch), numbers, kNumbers, arch.name, fault).front();
}

CudaAttendShape attendShape(const CudaAttention &attention) {
  CudaAttendShape shape;
  shape.heads = attention.heads, shape.kvHeads = attention.kvHeads, shape.headDim = attention.headDim;
  shape.layers = 1;
  shape.window = attention.window;
  shape.splits = attention.splits;
  shape.scale = 1 / std::sqrt(static_cast<double>(attention.headDim));
  shape.softcap = attention.softcap ? 50 : 0;
  shape.kind = llm::symbolizeQuantKind(attention.cache).value_or(llm::QuantKind::F16);
  return shape;
}

} // namespace llmc
