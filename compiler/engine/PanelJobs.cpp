// Shape checks of weight specs, placement, jobs and the packing of one job.
#include "compiler/engine/PanelJobs.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "compiler/engine/PanelPacker.h"
#include "compiler/engine/Stopwatch.h"
#include "runtime/base/checked.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

/// Packed bytes of a job: large enough to amortise hand-over, small enough that all threads have work.
constexpr int64_t kJobBytes = 1 << 20;
/// Rows and columns of a weight; with 4 bytes an element no product can wrap 64 bits.
constexpr int64_t kMaxDimension = int64_t{1} << 30;

rt::Status shapeError(const WeightSpec& spec, const std::string& what) {
  return rt::Status::error(rt::ErrorKind::kBadInput, "W_SHAPE", "weight '" + rt::escaped(spec.name) + "': " + what);
}

rt::Status checkSpec(const WeightSpec& spec) {
  if (spec.rows < 1 || spec.cols < 1 || spec.rows > kMaxDimension || spec.cols > kMaxDimension)
    return shapeError(
        spec, "shape " + std::to_string(spec.rows) + " x " + std::to_string(spec.cols) + " is outside the limits");
  if (spec.rope) {
    if (spec.layout != Layout::Plain || spec.rope->dim < 2 || spec.rope->dim % 2 != 0 || spec.cols != spec.rope->dim ||
        spec.rows != ropeTableRows(spec.rope->maxPositions))
      return shapeError(spec, "the rope table's shape does not fit its positions and dimensions");
    return rt::Status::ok();
  }
  int64_t rows = 0;
  for (const WeightSource& source : spec.sources) {
    bool whole = spec.sources.size() == 1 || spec.layout == Layout::Plain || source.rows % kPanelRows == 0;
    if (source.rows < 1 || source.rows > kMaxDimension || !whole)
      return shapeError(spec, "source '" + rt::escaped(source.tensor) + "' has " + std::to_string(source.rows) +
                                  " rows; parts of one weight need a multiple of 16");
    if (spec.arrange == Arrange::Interleave16 && (source.rows != spec.sources[0].rows || source.rows % kPanelRows != 0))
      return shapeError(spec, "interleaved sources need the same number of rows, a multiple of 16");
    rows += source.rows;
  }
  if (rows != spec.rows || (spec.arrange == Arrange::None && spec.sources.size() != 1))
    return shapeError(spec, "its sources have " + std::to_string(rows) + " rows, it has " + std::to_string(spec.rows));
  return rt::Status::ok();
}

rt::Status checkSource(const WeightSpec& spec, const WeightSource& wanted, const RowSource& found) {
  if (!canPack(spec.layout, found.storage()))
    return shapeError(spec, "tensor '" + rt::escaped(wanted.tensor) + "' is stored as " +
                                std::string(storageTypeName(found.storage())) + ", from which the layout " +
                                std::string(layoutName(spec.layout)) + " cannot be made");
  // A vector [K] may be asked for as one row of K values or as K rows of one.
  if (found.rows() == wanted.rows && found.cols() == spec.cols) return rt::Status::ok();
  return shapeError(spec, "tensor '" + rt::escaped(wanted.tensor) + "' is " + std::to_string(found.rows()) + " x " +
                              std::to_string(found.cols()) + ", must be " + std::to_string(wanted.rows) + " x " +
                              std::to_string(spec.cols));
}

/// The first block of a stored row that holds a NaN or infinite value, or scale.
int64_t firstNonFinite(StorageType storage, const std::vector<std::byte>& row) {
  int64_t bytes = blockBytes(storage), blocks = static_cast<int64_t>(row.size()) / bytes, block = 0;
  while (block + 1 < blocks && allFinite(storage, row.data() + block * bytes, blockLength(storage))) ++block;
  return block;
}

/// "[ROW, COLUMN]" of a matrix, "[ROW]" of a vector.
std::string indexText(int64_t row, int64_t column, int64_t cols) {
  return "[" + std::to_string(row) + (cols > 1 ? ", " + std::to_string(column) : "") + "]";
}

/// faults: of rows [row0, row0 + 16) of the source. The row is read again to say which of its values it is.
rt::Status faultError(const WeightSource& source, const RowSource& found, int64_t row0, LaneFaults faults) {
  bool infinite = (faults & 0xffffu) != 0;
  int64_t row = row0 + std::countr_zero(infinite ? faults & 0xffffu : faults >> 16), block = 0;
  if (infinite) {
    std::vector<std::byte> stored(static_cast<size_t>(storedRowBytes(found.storage(), found.cols())));
    LLMC_TRY(found.read(row, 1, source.unpermuteHeads, stored.data()));
    block = firstNonFinite(found.storage(), stored);
  }
  StoredPlace place = found.place(row, block, source.unpermuteHeads);
  std::string where = place.where.empty() ? "'" + rt::escaped(source.tensor) + "'" : place.where;
  if (!infinite)
    return rt::Status::error(rt::ErrorKind::kBadInput, "W_RANGE",
                             where + ": row " + std::to_string(place.row) + " holds a value too large for f16",
                             "choose a bf16 or f32 scheme for it");
  int64_t length = blockLength(found.storage()), column = block * length;
  std::string which = indexText(place.row, column, found.cols());
  if (length > 1)
    which = "the scale of values " + which + " to " + indexText(place.row, column + length - 1, found.cols());
  return rt::Status::error(rt::ErrorKind::kBadInput, "W_NONFINITE",
                           where + ": " + (length > 1 ? which : "value " + which) + " is NaN or infinite",
                           "the model file is damaged");
}

rt::Status packPanels(const PanelJob& job, const OpenWeight& weight, ErrorWeight errorWeight, uint8_t* out,
                      PackSeconds& seconds) {
  const WeightSpec& spec = *weight.spec;
  PanelPacker packer(spec.layout, spec.cols, errorWeight == ErrorWeight::Square, spec.group, spec.e4m3);
  std::vector<std::byte> rows;
  int64_t panelSize = panelBytes(spec.layout, spec.cols);
  for (int64_t panel = job.first; panel < job.first + job.count; ++panel, out += panelSize) {
    RowRun run = rowRun(spec, panel * kPanelRows, kPanelRows);
    const RowSource& source = *weight.sources[run.source];
    rows.resize(static_cast<size_t>(run.count * storedRowBytes(source.storage(), spec.cols)));
    Stopwatch reading;
    LLMC_TRY(source.read(run.row, run.count, spec.sources[run.source].unpermuteHeads, rows.data()));
    seconds.reading += reading.seconds();
    Stopwatch packing;
    LaneFaults faults = packer.pack(source.storage(), rows.data(), static_cast<int>(run.count), out);
    seconds.packing += packing.seconds();
    if (faults != 0) return faultError(spec.sources[run.source], source, run.row, faults);
  }
  seconds.widening = packer.expandSeconds();
  seconds.packing -= seconds.widening;
  return rt::Status::ok();
}

rt::Status packPlain(const OpenWeight& weight, uint8_t* out) {
  const WeightSpec& spec = *weight.spec;
  if (spec.rope) {
    std::vector<float> table = ropeTable(*spec.rope);
    std::memcpy(out, table.data(), table.size() * sizeof(float));
    return rt::Status::ok();
  }
  std::vector<std::byte> stored;
  auto* to = reinterpret_cast<float*>(out);
  for (int64_t row = 0; row < spec.rows;) {
    RowRun run = rowRun(spec, row, spec.rows - row);
    const RowSource& source = *weight.sources[run.source];
    stored.resize(static_cast<size_t>(run.count * storedRowBytes(source.storage(), spec.cols)));
    LLMC_TRY(source.read(run.row, run.count, spec.sources[run.source].unpermuteHeads, stored.data()));
    expandToFloat(source.storage(), stored.data(), run.count * spec.cols, to);
    for (int64_t r = 0; r < run.count; ++r)
      if (!allFinite(StorageType::F32, reinterpret_cast<const std::byte*>(to + r * spec.cols), spec.cols))
        return faultError(spec.sources[run.source], source, run.row + r, 1);
    row += run.count;
    to += run.count * spec.cols;
  }
  return rt::Status::ok();
}

/// A cache line; weights that a CUDA device reads start on 256 bytes, as its own allocations do.
uint64_t alignmentOf(const std::vector<WeightSpec>& specs) {
  auto fragment = [](const WeightSpec& spec) { return isFragment(spec.layout); };
  return std::any_of(specs.begin(), specs.end(), fragment) ? 256 : 64;
}

}  // namespace

rt::Result<std::vector<PackedWeight>> placeWeights(const std::vector<WeightSpec>& specs) {
  std::vector<PackedWeight> places;
  uint64_t offset = 0, alignment = alignmentOf(specs);
  for (const WeightSpec& spec : specs) {
    LLMC_TRY(checkSpec(spec));
    auto size = static_cast<uint64_t>(packedBytes(spec.layout, spec.rows, spec.cols));
    places.push_back({offset, size});
    offset += (size + alignment - 1) / alignment * alignment;
    if (offset > rt::limits::kEngineBytes) return shapeError(spec, "the weights are larger than an engine may be");
  }
  return places;
}

rt::Result<std::vector<OpenWeight>> openWeights(const std::vector<WeightSpec>& specs,
                                                const std::vector<PackedWeight>& places, const RowSources& sources) {
  std::vector<OpenWeight> weights;
  for (size_t i = 0; i < specs.size(); ++i) {
    OpenWeight weight;
    weight.spec = &specs[i];
    weight.place = places[i];
    for (const WeightSource& source : specs[i].sources) {
      auto opened = sources.open(source.tensor);
      if (!opened) return opened.takeStatus();
      LLMC_TRY(checkSource(specs[i], source, **opened));
      weight.sources.push_back(opened.take());
    }
    weights.push_back(std::move(weight));
  }
  return weights;
}

RowRun rowRun(const WeightSpec& spec, int64_t packedRow, int64_t wanted) {
  if (spec.arrange == Arrange::Interleave16) {
    auto parts = static_cast<int64_t>(spec.sources.size());
    int64_t panel = packedRow / kPanelRows, inPanel = packedRow % kPanelRows;
    return {static_cast<size_t>(panel % parts), panel / parts * kPanelRows + inPanel,
            std::min(wanted, kPanelRows - inPanel)};
  }
  size_t source = 0;
  while (packedRow >= spec.sources[source].rows) packedRow -= spec.sources[source++].rows;
  return {source, packedRow, std::min(wanted, spec.sources[source].rows - packedRow)};
}

std::vector<PanelJob> cutJobs(const std::vector<WeightSpec>& specs, const std::vector<PackedWeight>& places) {
  std::vector<PanelJob> jobs;
  uint64_t alignment = alignmentOf(specs);
  for (size_t i = 0; i < specs.size(); ++i) {
    const WeightSpec& spec = specs[i];
    uint64_t gap = (alignment - places[i].size % alignment) % alignment;
    if (spec.layout == Layout::Plain) {
      jobs.push_back({i, 0, 1, places[i].size + gap});
      continue;
    }
    int64_t panels = panelCount(spec.layout, spec.rows), bytes = panelBytes(spec.layout, spec.cols);
    int64_t step = std::max<int64_t>(1, kJobBytes / bytes);
    for (int64_t first = 0; first < panels; first += step) {
      int64_t count = std::min(step, panels - first);
      jobs.push_back({i, first, count, static_cast<uint64_t>(count * bytes)});
    }
    jobs.back().bytes += gap;
  }
  return jobs;
}

rt::Status packJob(const PanelJob& job, const OpenWeight& weight, ErrorWeight errorWeight, uint8_t* out,
                   PackSeconds& seconds) {
  bool plain = weight.spec->layout == Layout::Plain;
  uint64_t bytes =
      plain ? weight.place.size : static_cast<uint64_t>(job.count * panelBytes(weight.spec->layout, weight.spec->cols));
  std::memset(out + bytes, 0, job.bytes - bytes);
  return plain ? packPlain(weight, out) : packPanels(job, weight, errorWeight, out, seconds);
}

}  // namespace llmc
