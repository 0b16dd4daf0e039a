// Turns what the batch asks for a row back into parameters.
#include "tests/unit/runtime/exec/cuda/fake_sampler.h"

#include <limits>
#include <vector>

#include "runtime/format/cuda_abi.h"
#include "runtime/format/kernel_abi.h"
#include "runtime/sample/sampler.h"
#include "runtime/sample/tile_argmax.h"
#include "tests/unit/runtime/exec/fake_engine.h"

namespace llmc::rt::test {

uint64_t drawsLeftToHost = 0;

namespace {

constexpr uint32_t kTiles = FakeEngine::kTiles;

template <typename T>
T* at(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

float editedLogit(float x, const cuda::SampleEdit& edit, float repetition) {
  if (edit.flags & cuda::kEditForbidden) return std::numeric_limits<float>::lowest();
  if (edit.flags & cuda::kEditSeen) x = x > 0 ? x / repetition : x * repetition;
  x -= edit.subtract;
  return x + edit.bias;
}

int32_t tokenOf(const Batch& batch, int32_t row, const float* logits, std::span<const float> tiles) {
  auto best = bestOfTiles(tiles);
  if (!batch.samples) return best ? *best : -1;
  const auto& how = static_cast<const cuda::SampleRow*>(batch.samples)[row];
  if (how.mode == cuda::SampleMode::kHost || !best) return -1;
  if (how.mode == cuda::SampleMode::kBest && how.edits == 0) return *best;
  if (how.mode == cuda::SampleMode::kDraw && drawsLeftToHost > 0 && how.position % drawsLeftToHost == 0) return -1;
  std::vector<float> edited(logits, logits + kVocabulary);
  for (int32_t i = 0; i < how.edits; ++i) {
    const auto& edit = static_cast<const cuda::SampleEdit*>(batch.edits)[how.firstEdit + i];
    float& x = edited[static_cast<size_t>(edit.id)];
    x = editedLogit(x, edit, how.repetition);
  }
  SamplingParams params;
  params.temperature = how.mode == cuda::SampleMode::kBest ? 0 : 1.0 / static_cast<double>(how.scale);
  params.topK = how.topK;
  params.topP = how.topP;
  params.minP = static_cast<double>(how.minWeight);
  params.seed = how.seed;
  SampleRequest request;
  request.params = &params;
  request.position = how.position;
  auto token = Sampler(kVocabulary).sample(edited, request, nullptr);
  return token ? *token : -1;
}

}  // namespace

void sampleOnHost(const uint64_t* args) {
  const Batch& batch = *at<Batch>(args[0]);
  for (int32_t row = 0; row < batch.rows; ++row) {
    const auto index = static_cast<uint64_t>(row);
    const float* tiles = at<float>(args[2] + index * rowStrideBytes(8 * kTiles));
    *at<float>(args[3] + index * rowStrideBytes(4)) = static_cast<float>(
        tokenOf(batch, row, at<float>(args[1] + index * rowStrideBytes(4 * kVocabulary)), {tiles, 2 * kTiles}));
  }
}

}  // namespace llmc::rt::test
