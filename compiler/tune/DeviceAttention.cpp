// The kernel's text, a cache with its pages in any order, steps of one sequence and of many.
#include "compiler/tune/DeviceAttention.h"

#include "codegen/cuda/attention/AttendTuning.h"
#include "runtime/format/kernel_abi.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

namespace llmc {

using rt::cuda::Stream;

DeviceAttention::DeviceAttention(const CudaAttention &attention, const AttentionLoad &load)
    : attention_(attention), shape_(attendShape(attention)), load_(load) {}

int64_t DeviceAttention::columns() const {
  return shape_.heads * (shape_.splits ? shape_.splits * (shape_.headDim + 2) : shape_.headDim);
}

std::vector<std::vector<TunedNumber>> DeviceAttention::candidates(const Arch &arch, size_t most) const {
  std::vector<std::vector<TunedNumber>> found;
  for (const CudaAttendLayout &layout : legalAttendLayouts(shape_, arch))
    if (most == 0 || found.size() < most)
      found.push_back(attendNumbers(layout));
  return found;
}

std::string DeviceAttention::moduleText() const {
  auto rows = [](int64_t columns) { return llvm::formatv("tensor<?x{0}xf32, #llm.dims<[T, {0}]>>", columns).str(); };
  return llvm::formatv(
             "!q = {0}\n!r = {1}\n!kv = !llm.kv<layers = 1, heads = {2}, dim = {3}, page = 16, kind = {4}>\n"
             "kern.func @attend(%q: !q, %kv: !kv, %b: !llm.batch) -> !r attributes {{hero = \"attend\"} {{\n"
             "  %r = llm.{5} %q, %kv, %b {{layer = 0, heads = {6}, scale = {7:e9}, window = {8}, softcap = {9:e3}{10}} "
             ": (!q, !kv, !llm.batch) -> !r\n  kern.yield %r : !r\n}\n",
             rows(shape_.heads * shape_.headDim), rows(columns()), shape_.kvHeads, shape_.headDim, attention_.cache,
             shape_.splits ? "attend_partial" : "attend", shape_.heads, shape_.scale, shape_.window, shape_.softcap,
             shape_.splits ? ", splits = " + std::to_string(shape_.splits) : std::string())
      .str();
}

AttentionLoad DeviceAttention::loadFor(uint64_t freeBytes) const {
  AttentionLoad load = load_;
  // A context of pages, and of a prompt as long as it queries and results.
  auto bytes = [&] {
    const int64_t pages = load.sequences * ((load.context + 15) / 16);
    const int64_t rows = (shape_.splits ? load.sequences : std::max(load.context, load.sequences)) + rt::kPaddingRows;
    return static_cast<uint64_t>(pages * pageBytes() + rows * (columns() + shape_.heads * shape_.headDim + 32) * 4);
  };
  while (bytes() > freeBytes / 2 && load.sequences * load.context > 16)
    (load.sequences > 1 ? load.sequences : load.context) /= 2;
  return load;
}

/// Small numbers of either sign, and scales of codes.
std::vector<uint8_t> DeviceAttention::randomPages(int64_t pages) const {
  const uint64_t any = ~uint64_t{0}, small = 0xbfbfbfbfbfbfbfbfull; // f16, bf16 and e4m3: below 2, no NaN
  std::vector<uint8_t> data =
      randomBytes(static_cast<size_t>(pages * pageBytes()), shape_.kind == llm::QuantKind::I8 ? any : small, 3);
  const float scale = 0.01f;
  const int64_t scales = shape_.scaled() ? 2 * shape_.kvHeads * CudaAttendShape::kPageTokens * 4 : 0;
  for (int64_t page = 1; page <= pages; ++page)
    for (int64_t at = page * pageBytes() - scales; at < page * pageBytes(); at += 4)
      std::memcpy(&data[static_cast<size_t>(at)], &scale, 4);
  return data;
}

std::vector<float> DeviceAttention::merged(std::vector<float> parts, int64_t rows) const {
  if (!shape_.splits)
    return parts;
  std::vector<float> whole;
  const int64_t dim = shape_.headDim, splits = shape_.splits;
  for (int64_t head = 0; head < rows * shape_.heads; ++head) {
    auto at = [&](int64_t split, int64_t i) {
      return static_cast<double>(parts[static_cast<size_t>((head * splits + split) * (dim + 2) + i)]);
    };
    double largest = at(0, dim), total = 0;
    for (int64_t split = 1; split < splits; ++split)
      largest = std::max(largest, at(split, dim));
    std::vector<double> sums(static_cast<size_t>(dim));
    for (int64_t split = 0; split < splits; ++split) {
      const double factor = std::exp(at(split, dim) - largest);
      total += factor * at(split, dim + 1);
      for (int64_t i = 0; i < dim && factor != 0; ++i) // sums of an empty part mean nothing
        sums[static_cast<size_t>(i)] += factor * at(split, i);
    }
    for (double sum : sums)
      whole.push_back(static_cast<float>(sum / total));
  }
  return whole;
}

namespace {

/// Arrays of a batch, one after another in one buffer of the device.
class BatchArrays {
public:
  /// Where the array begins in the buffer, in bytes.
  uint64_t add(const std::vector<int32_t> &values) {
    const uint64_t at = words_.size() * 4;
    words_.insert(words_.end(), values.begin(), values.end());
    return at;
  }
  rt::Result<uint64_t> store(const Stream &stream, DeviceWorks &works) const {
    auto taken = works.take(stream, words_.size() * 4);
    LLMC_TRY(taken.status());
    LLMC_TRY(llmc::store(stream, *taken, words_.data(), words_.size() * 4));
    return taken;
  }

private:
  std::vector<int32_t> words_;
};

/// Where arrays of a step begin in the buffer.
struct StepArrays {
  uint64_t positions, tokenSeq, queryStarts, contextLens;
};

/// A step of `sequences` of `tokens` tokens each, the last ones of `context`.
struct Step {
  int64_t sequences, tokens, context;

  StepArrays addTo(BatchArrays &arrays) const {
    std::vector<int32_t> positions, owners, starts = {0};
    for (int64_t sequence = 0; sequence < sequences; ++sequence) {
      for (int64_t token = 0; token < tokens; ++token) {
        positions.push_back(static_cast<int32_t>(context - tokens + token));
        owners.push_back(static_cast<int32_t>(sequence));
      }
      starts.push_back(static_cast<int32_t>((sequence + 1) * tokens));
    }
    const std::vector<int32_t> lengths(static_cast<size_t>(sequences), static_cast<int32_t>(context));
    return {arrays.add(positions), arrays.add(owners), arrays.add(starts), arrays.add(lengths)};
  }
  /// `table`: where its pages begin in the buffer.
  rt::Batch batch(uint64_t buffer, const StepArrays &arrays, uint64_t table, int64_t blockStride) const {
    auto pointer = [&](uint64_t at) { return reinterpret_cast<const int32_t *>(buffer + at); };
    rt::Batch step;
    step.tokens = static_cast<int32_t>(sequences * tokens);
    step.sequences = static_cast<int32_t>(sequences);
    step.blockStride = static_cast<int32_t>(blockStride);
    step.positions = pointer(arrays.positions), step.tokenSeq = pointer(arrays.tokenSeq);
    step.queryStarts = pointer(arrays.queryStarts), step.contextLens = pointer(arrays.contextLens);
    step.blockTable = pointer(table);
    return step;
  }
};

/// Bytes from a row of f32 to the next.
uint64_t stride(int64_t columns) { return rt::rowStrideBytes(static_cast<uint64_t>(columns) * 4); }

} // namespace

rt::Result<uint64_t> DeviceAttention::storeCache(const Stream &stream, DeviceWorks &made, int64_t pages) const {
  const auto bytes = static_cast<uint64_t>(pages * pageBytes());
  auto cache = made.take(stream, bytes);
  LLMC_TRY(cache.status());
  LLMC_TRY(fillWith(stream, *cache, bytes, randomPages(std::min<int64_t>(pages, 64))));
  return cache;
}

/// Rows from -1 to 1.
rt::Result<uint64_t> DeviceAttention::storeQueries(const Stream &stream, DeviceWorks &made, int64_t rows) const {
  const uint64_t bytes = static_cast<uint64_t>(rows) * stride(shape_.heads * shape_.headDim);
  auto query = made.take(stream, bytes);
  LLMC_TRY(query.status());
  std::mt19937 random(5);
  std::vector<uint8_t> unit(1 << 18);
  for (size_t at = 0; at < unit.size(); at += 4) {
    const float x = static_cast<float>(random()) / 2147483648.0f - 1;
    std::memcpy(&unit[at], &x, 4);
  }
  LLMC_TRY(fillWith(stream, *query, bytes, unit));
  return query;
}

rt::Result<DeviceWorks> DeviceAttention::works(const Stream &stream) const {
  DeviceWorks made;
  LLMC_TRY(made.takeSweep(stream));
  auto free = stream.context().memory();
  LLMC_TRY(free.status());
  const AttentionLoad load = loadFor(free->free);
  const int64_t pages = (load.context + 15) / 16, round = load.sequences * pages;
  // Small contexts several times over, so that the next step finds its pages in no cache.
  const int64_t rounds = std::clamp<int64_t>(static_cast<int64_t>(made.sweepBytes) / pageBytes() / round, 1, 64);
  const Step steps[] = {{1, shape_.splits ? 1 : load.context, load.context}, {load.sequences, 1, load.context}};
  const int64_t rows = std::max(steps[0].tokens, load.sequences) + rt::kPaddingRows;
  auto cache = storeCache(stream, made, rounds * round);
  LLMC_TRY(cache.status());
  auto query = storeQueries(stream, made, rows);
  LLMC_TRY(query.status());
  auto out = made.take(stream, static_cast<uint64_t>(rows) * stride(columns()));
  LLMC_TRY(out.status());
  std::vector<int32_t> order(static_cast<size_t>(rounds * round));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(4));
  BatchArrays arrays;
  const uint64_t tableAt = arrays.add(order);
  StepArrays places[2] = {steps[0].addTo(arrays), steps[1].addTo(arrays)};
  auto stored = arrays.store(stream, made);
  LLMC_TRY(stored.status());
  for (int i = 0; i < 2; ++i) {
    const Step &step = steps[i];
    DeviceWork work;
    work.tokens = step.sequences * step.tokens;
    work.sequences = step.sequences;
    work.copies = static_cast<size_t>(std::min<int64_t>(rounds * load.sequences / step.sequences, 256));
    std::vector<rt::Batch> batches;
    for (size_t copy = 0; copy < work.copies; ++copy) // each with other sequences of the table
      batches.push_back(
          step.batch(*stored, places[i], tableAt + copy * static_cast<uint64_t>(step.sequences * pages) * 4, pages));
    auto batch = made.take(stream, batches.size() * sizeof(rt::Batch));
    LLMC_TRY(batch.status());
    LLMC_TRY(store(stream, *batch, batches.data(), batches.size() * sizeof(rt::Batch)));
    work.words = [query = *query, cache = *cache, batch = *batch, out = *out](size_t copy) {
      return std::vector<uint64_t>{query, cache, batch + copy * sizeof(rt::Batch), out};
    };
    work.out = *out;
    work.outBytes = static_cast<uint64_t>(work.tokens) * stride(columns());
    work.values = [this, rows = work.tokens](const std::vector<uint8_t> &bytes) {
      return merged(rowsOf(bytes, rows, columns()), rows);
    };
    made.works.push_back(std::move(work));
  }
  made.what = (shape_.splits ? "1 and " : "a prompt of " + std::to_string(load.context) + " tokens, ") +
              std::to_string(load.sequences) + " sequences of " + std::to_string(load.context);
  return made;
}

} // namespace llmc
