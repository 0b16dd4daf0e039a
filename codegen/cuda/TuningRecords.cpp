// Each family reads its key and looks its numbers up among its legal configurations.
#include "codegen/cuda/TuningRecords.h"

#include "codegen/cuda/attention/AttendTuning.h"
#include "codegen/cuda/matmul/ProductTuning.h"

namespace llmc {

static std::string unknownKey(const TuningRecord &record, llvm::StringRef what, llvm::StringRef example) {
  return ("expected " + what + " such as " + example + ", found '" + rt::escaped(record.shape) + "'").str();
}

static std::string productFault(const Arch &arch, const TuningRecord &record) {
  std::optional<CudaProduct> product = readCudaProduct(record.shape);
  if (!product)
    return unknownKey(record, "a product", "960x576,q4m16k64-asym,1");
  if (!llvm::is_contained(kCudaRowClasses, record.mMax))
    return "expected a row class of 8, 16, 32, 64, 512 or 0, found " + std::to_string(record.mMax);
  std::string fault;
  productWith(arch, {product->n, product->k, product->layout, record.mMax, product->unitPanels}, record.numbers, fault);
  return fault;
}

static std::string attentionFault(const Arch &arch, const TuningRecord &record) {
  std::optional<CudaAttention> attention = readAttentionKey(record.shape);
  if (!attention)
    return unknownKey(record, "an attention (heads x KV heads x columns, cache, splits)", "32x8x128,f16,16");
  if (record.mMax != 0)
    return "expected the row class 0, the only one of attention, found " + std::to_string(record.mMax);
  std::string fault;
  attendLayoutWith(arch, attendShape(*attention), record.numbers, fault);
  return fault;
}

/// What is wrong with a record for CUDA; empty: nothing.
static std::string recordFault(const TuningRecord &record) {
  const Arch *arch = findArch(record.arch);
  if (!arch)
    return "unknown architecture '" + rt::escaped(record.arch) + "'";
  if (record.family == "linear")
    return productFault(*arch, record);
  if (record.family == "attend")
    return attentionFault(*arch, record);
  return "expected the family linear or attend, found '" + rt::escaped(record.family) + "'";
}

rt::Status checkCudaRecords(const TuningDatabase &database, llvm::StringRef name) {
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
