// Reads and prints records; every value is checked against what code generation can do with it.
#include "codegen/registry/TuningDatabase.h"

#include "runtime/base/limits.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "runtime/base/system_error.h"
#include <optional>

namespace llmc {

std::string TuningRecord::print() const {
  std::string text = target + " " + arch + " " + family + " " + shape + " " + std::to_string(mMax);
  for (const TunedNumber &number : numbers)
    text += " " + number.name + "=" + std::to_string(number.value);
  return text;
}

std::string productKey(const MatmulShape &shape) {
  return std::to_string(shape.n) + "x" + std::to_string(shape.k) + "," + std::string(layoutName(shape.layout)) + "," +
         (shape.act == ActKind::Int8 ? "int8"
          : shape.bf16Products       ? "bf16"
                                     : "f32");
}

/// Decimal, at least `least` and at most 2^31 - 1.
static std::optional<int64_t> readNumber(llvm::StringRef text, int64_t least = 0) {
  int64_t value = 0;
  if (text.getAsInteger(10, value) || value < least || value > INT32_MAX)
    return std::nullopt;
  return value;
}

/// The product that a key of this file names.
static std::optional<MatmulShape> readProduct(llvm::StringRef key) {
  llvm::SmallVector<llvm::StringRef> parts;
  key.split(parts, ',');
  if (parts.size() != 3 || (parts[2] != "int8" && parts[2] != "bf16" && parts[2] != "f32"))
    return std::nullopt;
  auto [rows, columns] = parts[0].split('x');
  std::optional<int64_t> n = readNumber(rows, 1), k = readNumber(columns, 1);
  std::optional<Layout> layout = layoutByName(std::string_view(parts[1]));
  if (!n || !k || !layout || *layout == Layout::Plain || isFragment(*layout))
    return std::nullopt;
  MatmulShape shape;
  shape.n = *n;
  shape.k = *k;
  shape.layout = *layout;
  shape.act = parts[2] == "int8" ? ActKind::Int8 : ActKind::F32;
  shape.bf16Products = parts[2] == "bf16";
  if (shape.act == ActKind::Int8 && !isQuantized(*layout))
    return std::nullopt;
  if (shape.bf16Products && *layout != Layout::BF16N16K2)
    return std::nullopt;
  return shape;
}

std::string cudaProductKey(const CudaProduct &product) {
  return std::to_string(product.n) + "x" + std::to_string(product.k) + "," + std::string(layoutName(product.layout)) +
         "," + std::to_string(product.unitPanels);
}

std::optional<CudaProduct> readCudaProduct(llvm::StringRef key) {
  llvm::SmallVector<llvm::StringRef> parts;
  key.split(parts, ',');
  if (parts.size() != 3 || (parts[2] != "1" && parts[2] != "2"))
    return std::nullopt;
  auto [rows, columns] = parts[0].split('x');
  std::optional<int64_t> n = readNumber(rows, 1), k = readNumber(columns, 1);
  std::optional<Layout> layout = layoutByName(std::string_view(parts[1]));
  if (!n || !k || !layout || !isFragment(*layout))
    return std::nullopt;
  return CudaProduct{*n, *k, *layout, parts[2] == "2" ? 2 : 1};
}

namespace {

/// One line of a file.
class Line {
public:
  explicit Line(llvm::StringRef text) { text.split('#').first.split(words_, ' ', -1, false); }
  bool empty() const { return words_.empty(); }
  std::string joined() const { return llvm::join(words_, " "); }

  /// Empty: read into `record`; else what is wrong.
  std::string read(TuningRecord &record) const {
    if (words_.size() < 6)
      return "expected TARGET ARCH FAMILY SHAPE M_MAX NAME=VALUE..., found " + std::to_string(words_.size()) + " words";
    record.target = words_[0].str();
    record.arch = words_[1].str();
    record.family = words_[2].str();
    record.shape = words_[3].str();
    auto mMax = readNumber(words_[4]);
    if (!mMax)
      return "expected the most rows of a class (0: any), found '" + rt::escaped(words_[4].str()) + "'";
    record.mMax = *mMax;
    if (std::string fault = readNumbers(record); !fault.empty())
      return fault;
    if (record.target == "cpu")
      return productFault(record);
    if (record.target != "cuda")
      return "expected the target cpu or cuda, found '" + rt::escaped(record.target) + "'";
    return llvm::StringRef(record.arch).starts_with("sm_")
               ? ""
               : "expected an architecture such as sm_90a, found '" + rt::escaped(record.arch) + "'";
  }

private:
  std::string readNumbers(TuningRecord &record) const {
    for (llvm::StringRef word : llvm::ArrayRef(words_).drop_front(5)) {
      auto [name, text] = word.split('=');
      auto value = readNumber(text);
      if (name.empty() || !value)
        return "expected NAME=VALUE with a number up to 2147483647, found '" + rt::escaped(word.str()) + "'";
      for (const TunedNumber &other : record.numbers)
        if (name == other.name)
          return name.str() + " was given twice";
      record.numbers.push_back({name.str(), *value});
    }
    return {};
  }

  static std::string productFault(const TuningRecord &record) {
    const Level *level = findLevel(record.arch);
    if (!level)
      return "unknown CPU level '" + rt::escaped(record.arch) + "'";
    if (record.family != "linear")
      return "expected the family linear, found '" + rt::escaped(record.family) + "'";
    std::optional<MatmulShape> shape = readProduct(record.shape);
    if (!shape)
      return "expected a product such as 960x576,q4n16k4-asym,int8, found '" + rt::escaped(record.shape) + "'";
    shape->mMax = record.mMax;
    if (!llvm::is_contained(kRowClasses, record.mMax))
      return "expected a row class of 1, 4, 16, 64 or 0, found " + std::to_string(record.mMax);
    std::string fault;
    matmulWith(*level, *shape, record.numbers, fault);
    return fault;
  }

  llvm::SmallVector<llvm::StringRef> words_;
};

} // namespace

rt::Result<TuningDatabase> TuningDatabase::parse(llvm::StringRef text, llvm::StringRef name) {
  TuningDatabase database;
  bool headed = false;
  unsigned number = 0;
  llvm::SmallVector<llvm::StringRef> lines;
  text.split(lines, '\n');
  auto error = [&](const std::string &what) {
    return rt::Status::error(rt::ErrorKind::kBadInput, "TUNE_FILE",
                             rt::escaped(name.str()) + ":" + std::to_string(number) + ": " + what,
                             "llmc tune writes such files");
  };
  for (llvm::StringRef raw : lines) {
    ++number;
    Line line(raw.rtrim('\r'));
    if (line.empty())
      continue;
    if (!headed) {
      if (line.joined() != kHeader)
        return error("expected '" + kHeader.str() + "', found '" + rt::escaped(line.joined(), 60) + "'");
      headed = true;
      continue;
    }
    TuningRecord record;
    record.line = number;
    if (std::string fault = line.read(record); !fault.empty())
      return error(fault);
    if (database.find(record.target, record.arch, record.family, record.shape, record.mMax))
      return error("a second record of " + record.arch + " " + record.shape + " " + std::to_string(record.mMax));
    database.records_.push_back(std::move(record));
  }
  if (!headed)
    return error("expected '" + kHeader.str() + "', found the end of the file");
  return database;
}

rt::Result<TuningDatabase> TuningDatabase::read(const std::string &path) {
  llvm::Expected<llvm::sys::fs::file_t> file = llvm::sys::fs::openNativeFileForRead(path);
  if (!file)
    return rt::fileError("TUNE_FILE", "cannot read", path, llvm::errorToErrorCode(file.takeError()).value());
  // A byte more than may be there, not the size: a device or a pipe has none.
  llvm::SmallVector<char, 0> text;
  llvm::Error failed = llvm::Error::success();
  for (size_t had = SIZE_MAX; !failed && text.size() != had && text.size() <= rt::limits::kTuningFileBytes;) {
    had = text.size();
    text.resize(rt::limits::kTuningFileBytes + 1);
    llvm::Expected<size_t> count = llvm::sys::fs::readNativeFile(*file, llvm::MutableArrayRef(text).drop_front(had));
    text.resize(had + (count ? *count : 0));
    if (!count)
      failed = count.takeError();
  }
  llvm::sys::fs::closeFile(*file);
  if (failed)
    return rt::fileError("TUNE_FILE", "cannot read", path, llvm::errorToErrorCode(std::move(failed)).value());
  if (text.size() > rt::limits::kTuningFileBytes)
    return rt::Status::error(rt::ErrorKind::kBadInput, "TUNE_FILE",
                             rt::escaped(path) + " is too long: at most " +
                                 std::to_string(rt::limits::kTuningFileBytes) + " bytes are read",
                             "llmc tune writes such files");
  return parse(llvm::StringRef(text.data(), text.size()), path);
}

const TuningRecord *TuningDatabase::find(llvm::StringRef target, llvm::StringRef arch, llvm::StringRef family,
                                         llvm::StringRef shape, int64_t mMax) const {
  for (const TuningRecord &record : records_)
    if (record.mMax == mMax && record.shape == shape && record.arch == arch && record.family == family &&
        record.target == target)
      return &record;
  return nullptr;
}

} // namespace llmc
