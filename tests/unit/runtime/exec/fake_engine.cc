// Kernels with the generated ones' signature, and the plan that launches them.
#include "tests/unit/runtime/exec/fake_engine.h"

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace llmc::rt::test {
namespace {

template <typename T>
T* at(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

/// The id of token `t`, given or left by the step before: 0 where that one found none.
int32_t idOf(const Batch& batch, int32_t t) {
  const int32_t id = batch.tokenIds[t];
  if (id >= 0) return id;
  return std::max(0, static_cast<int32_t>(batch.lastTokens[static_cast<uint64_t>(-1 - id) * (rowStrideBytes(4) / 4)]));
}

// args: batch, kv
int32_t writeKv(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  const Batch& batch = *at<Batch>(args[0]);
  for (int32_t t = static_cast<int32_t>(worker); t < batch.tokens; t += static_cast<int32_t>(workers)) {
    const auto slot = static_cast<uint64_t>(batch.slots[t]);
    at<int32_t>(args[1] + slot / kPageTokens * FakeEngine::kPageBytes)[slot % kPageTokens] = idOf(batch, t);
  }
  return 0;
}

// args: batch, kv, sums [T, 1] f32
int32_t attend(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  const Batch& batch = *at<Batch>(args[0]);
  for (int32_t t = static_cast<int32_t>(worker); t < batch.tokens; t += static_cast<int32_t>(workers)) {
    const int32_t sequence = batch.tokenSeq[t];
    float sum = 0;
    for (int32_t p = 0; p <= batch.positions[t]; ++p) {
      const int32_t page = batch.blockTable[sequence * batch.blockStride + p / static_cast<int32_t>(kPageTokens)];
      sum += static_cast<float>(at<int32_t>(
          args[1] + static_cast<uint64_t>(page) * FakeEngine::kPageBytes)[p % static_cast<int32_t>(kPageTokens)]);
    }
    *at<float>(args[2] + static_cast<uint64_t>(t) * rowStrideBytes(4)) = sum;
  }
  return 0;
}

/// The end of a head: the largest of each tile at `tiles`; NaN in the logits that nobody asks for, so that a reader
/// shows.
void finishRow(const Batch& batch, int32_t s, float* row, uint64_t tiles) {
  constexpr uint32_t kTiles = FakeEngine::kTiles;
  auto* out = at<float>(tiles + static_cast<uint64_t>(s) * rowStrideBytes(8 * kTiles));
  for (uint32_t tile = 0; tile < kTiles; ++tile) {
    uint32_t best = tile * FakeEngine::kTile;
    const auto value = [&](uint32_t v) {
      return std::isfinite(row[v]) ? row[v] : std::numeric_limits<float>::infinity();
    };
    for (uint32_t v = best; v < std::min(kVocabulary, (tile + 1) * FakeEngine::kTile); ++v)
      if (value(v) > value(best)) best = v;
    out[tile] = value(best);
    out[kTiles + tile] = static_cast<float>(best);
  }
  if (batch.logitsWanted[s] == 0) std::fill_n(row, kVocabulary, std::numeric_limits<float>::quiet_NaN());
}

// args: batch, sums, weight, logits [S, vocab], argmax [S, 2 * tiles], worker scratch
template <int kVariant, bool kWide>
int32_t head(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  const Batch& batch = *at<Batch>(args[0]);
  auto* scratch = at<uint64_t>(args[5]) + worker * 8;  // one line a worker
  for (int32_t s = static_cast<int32_t>(worker); s < batch.rows; s += static_cast<int32_t>(workers)) {
    *scratch = static_cast<uint64_t>(batch.sampleRows[s]);
    const float sum = *at<float>(args[1] + *scratch * rowStrideBytes(4));
    float* row = at<float>(args[3] + static_cast<uint64_t>(s) * rowStrideBytes(4 * kVocabulary));
    for (uint32_t v = 0; v < kVocabulary; ++v)
      row[v] = sum * at<float>(args[2])[v] + kVariant * 1000 + (kWide ? 0.5f : 0.0f);
    finishRow(batch, s, row, args[4]);
  }
  return 0;
}

// args: batch, kv
int32_t writeForm(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  const Batch& batch = *at<Batch>(args[0]);
  for (int32_t t = static_cast<int32_t>(worker); t < batch.tokens; t += static_cast<int32_t>(workers)) {
    const auto slot = static_cast<uint64_t>(batch.slots[t]);
    const int32_t sequence = batch.tokenSeq[t];
    const bool alone = batch.queryStarts[sequence + 1] - batch.queryStarts[sequence] == 1;
    at<int32_t>(args[1] + slot / kPageTokens * FakeEngine::kPageBytes)[slot % kPageTokens] = idOf(batch, t) * 2 + alone;
  }
  return 0;
}

// args: batch, kv, sums [T, 1] f32
int32_t hashContext(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  const Batch& batch = *at<Batch>(args[0]);
  for (int32_t t = static_cast<int32_t>(worker); t < batch.tokens; t += static_cast<int32_t>(workers)) {
    const int32_t* pages = batch.blockTable + batch.tokenSeq[t] * batch.blockStride;
    int32_t hash = 1;
    bool poisoned = false;
    for (int32_t p = 0; p <= batch.positions[t]; ++p) {
      const int32_t page = pages[p / static_cast<int32_t>(kPageTokens)];
      const int32_t kv = at<int32_t>(args[1] + static_cast<uint64_t>(page) *
                                                   FakeEngine::kPageBytes)[p % static_cast<int32_t>(kPageTokens)];
      hash = (hash * 31 + kv) % 10007;
      poisoned |= kv / 2 == FakeEngine::kPoison;
    }
    *at<float>(args[2] + static_cast<uint64_t>(t) * rowStrideBytes(4)) =
        poisoned ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(hash);
  }
  return 0;
}

// args: as head
template <int kVariant, bool kWide>
int32_t hashHead(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  const Batch& batch = *at<Batch>(args[0]);
  for (int32_t s = static_cast<int32_t>(worker); s < batch.rows; s += static_cast<int32_t>(workers)) {
    const float sum = *at<float>(args[1] + static_cast<uint64_t>(batch.sampleRows[s]) * rowStrideBytes(4));
    float* row = at<float>(args[3] + static_cast<uint64_t>(s) * rowStrideBytes(4 * kVocabulary));
    const int32_t hash = std::isnan(sum) ? 0 : static_cast<int32_t>(sum);
    for (int32_t v = 0; v < static_cast<int32_t>(kVocabulary); ++v)
      row[v] =
          std::isnan(sum) ? sum : static_cast<float>((hash * 7 + v * v * 13 + kVariant * 5 + kWide * 3) % 101) / 16;
    if (!std::isnan(sum)) row[FakeEngine::kPoison] = -100;
    finishRow(batch, s, row, args[4]);
  }
  return 0;
}

int32_t perturbedHead(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>* taken) {
  return at<Batch>(args[0])->rows > 2 ? hashHead<3, true>(args, worker, workers, taken)
                                      : hashHead<2, true>(args, worker, workers, taken);
}

int32_t silent(const uint64_t*, uint32_t, uint32_t, std::atomic<uint32_t>*) { return 0; }
int32_t fail(const uint64_t*, uint32_t, uint32_t, std::atomic<uint32_t>*) { return 5; }

KernelFn kernelAt(uint64_t offset) {
  static constexpr KernelFn kImage[] = {writeKv,
                                        attend,
                                        head<1, false>,
                                        head<2, false>,
                                        head<1, true>,
                                        head<2, true>,
                                        writeForm,
                                        hashContext,
                                        hashHead<1, false>,
                                        hashHead<2, false>,
                                        hashHead<1, true>,
                                        hashHead<2, true>,
                                        silent,
                                        silent,
                                        silent,
                                        silent,
                                        silent,
                                        silent};
  return offset / 64 < std::size(kImage) ? kImage[offset / 64] : nullptr;
}

std::unique_ptr<fb::KernelT> kernel(const char* name, fb::Dim dim, uint32_t args,
                                    std::vector<std::pair<uint32_t, uint64_t>> variants) {
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->name = name;
  kernel->dim = dim;
  kernel->args = args;
  for (const auto& [mMax, offset] : variants) {
    auto variant = std::make_unique<fb::VariantT>();
    variant->m_max = mMax;
    variant->code.push_back(std::make_unique<fb::CodeRangeT>());
    variant->code[0]->offset = offset;
    kernel->variants.push_back(std::move(variant));
  }
  return kernel;
}

std::unique_ptr<fb::SlotT> slot(const char* name, fb::Unit unit, uint64_t offset, uint64_t bytes) {
  auto slot = std::make_unique<fb::SlotT>();
  slot->name = name;
  slot->unit = unit;
  slot->offset = offset;
  slot->bytes = bytes;
  return slot;
}

struct ArgSpec {
  fb::ArgKind kind;
  uint32_t index = 0;
  uint64_t offset = 0;
};

std::unique_ptr<fb::PhaseT> phase(uint32_t kernel, std::vector<ArgSpec> args) {
  auto launch = std::make_unique<fb::LaunchT>();
  launch->kernel = kernel;
  for (const auto& spec : args) {
    auto arg = std::make_unique<fb::ArgT>();
    arg->kind = spec.kind;
    arg->index = spec.index;
    arg->offset = spec.offset;
    launch->args.push_back(std::move(arg));
  }
  auto phase = std::make_unique<fb::PhaseT>();
  phase->launches.push_back(std::move(launch));
  return phase;
}

std::unique_ptr<fb::ProgramT> program(uint32_t tMax, uint32_t headKernel) {
  using enum fb::ArgKind;
  auto program = std::make_unique<fb::ProgramT>();
  program->t_max = tMax;
  // Something in every region, and nothing at offset zero of its region but the first.
  constexpr uint64_t kLogitsBytes = rowStrideBytes(4 * kVocabulary),
                     kArgmaxBytes = rowStrideBytes(8 * FakeEngine::kTiles);
  program->region_bytes = {128, 192, 64 + kLogitsBytes + kArgmaxBytes, 128};
  program->slots.push_back(slot("fixed", fb::Unit::Fixed, 64, 64));
  program->slots.push_back(slot("sums", fb::Unit::Token, 64, 64));
  program->slots.push_back(slot("logits", fb::Unit::Row, 64, kLogitsBytes));
  program->slots.push_back(slot("scratch", fb::Unit::Worker, 64, 64));
  program->slots.push_back(slot("argmax", fb::Unit::Row, 64 + kLogitsBytes, kArgmaxBytes));
  program->logits_slot = 2;
  program->argmax_slot = 4;
  program->argmax_tile = FakeEngine::kTile;
  program->phases.push_back(phase(0, {{Batch}, {Kv, 0, FakeEngine::kLayerBytes}}));
  program->phases.push_back(phase(1, {{Batch}, {Kv, 0, FakeEngine::kLayerBytes}, {Slot, 1}}));
  program->phases.push_back(phase(headKernel, {{Batch}, {Slot, 1}, {Weight, 0}, {Slot, 2}, {Slot, 4}, {Slot, 3}}));
  return program;
}

}  // namespace

FakeEngine::FakeEngine(Kind kind) {
  const uint64_t first = static_cast<uint64_t>(kind) * 6 * 64;  // in the image
  for (uint32_t v = 0; v < kVocabulary; ++v) weight_[v] = static_cast<float>(v) + 1;
  fb::EngineT engine;
  engine.abi_version = kKernelAbiVersion;
  engine.model = std::make_unique<fb::ModelT>();
  engine.model->vocab_size = kVocabulary;
  engine.model->layers = 2;
  engine.model->max_positions = 200;
  engine.kv = std::make_unique<fb::KvSpecT>();
  engine.kv->page_tokens = kPageTokens;
  engine.kv->layer_bytes = kLayerBytes;
  engine.kv->page_bytes = kPageBytes;
  engine.levels.push_back(std::make_unique<fb::LevelT>());
  engine.levels[0]->name = "x86-64-v3";
  engine.weights.push_back(std::make_unique<fb::WeightT>());
  engine.weights[0]->name = "head";
  engine.weights[0]->layout = "plain";
  engine.kernels.push_back(kernel("write_kv", fb::Dim::Token, 2, {{0, first}}));
  engine.kernels.push_back(kernel("attend", fb::Dim::Token, 3, {{0, first + 64}}));
  engine.kernels.push_back(kernel("head", fb::Dim::Row, 6, {{1, first + 128}, {0, first + 192}}));
  engine.kernels.push_back(kernel("head_wide", fb::Dim::Row, 6, {{1, first + 256}, {0, first + 320}}));
  engine.programs.push_back(program(4, 2));
  engine.programs.push_back(program(0, 3));
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Engine::Pack(builder, &engine), fb::EngineIdentifier());
  bytes_.assign(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

ProgramSource FakeEngine::source() const {
  return {&plan(), 0, [this](uint32_t index) { return index == 0 ? static_cast<const void*>(weight_) : nullptr; },
          [this](uint64_t offset) {
            if (perturbed && kernelAt(offset) == hashHead<2, true>)
              return reinterpret_cast<const void*>(&perturbedHead);
            return reinterpret_cast<const void*>(failing && offset >= 128 ? &fail : kernelAt(offset));
          }};
}

}  // namespace llmc::rt::test
