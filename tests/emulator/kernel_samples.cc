// Requests of llm.sample in device memory, and the tokens that the host's sampler chooses for them.
#include <cstring>

#include "dialects/LLM/LLMTypes.h"
#include "dialects/Reference/Eval.h"
#include "runtime/sample/sample_rows.h"
#include "tests/emulator/kernel_inputs.h"

namespace llmc::emu {
namespace {

/// A request and what it points to.
struct Request {
  rt::TokenHistory history;
  rt::SampleRequest request;

  Request(const SampledRow& row, uint32_t vocabulary) : history(vocabulary, 64) {
    history.addPrompt(row.prompt);
    for (int32_t id : row.generated) history.addGenerated(id);
    request = {&row.params, &history, row.stopIds, (uint32_t)row.generated.size(), row.position, row.generated};
  }
};

}  // namespace

void KernelInputs::addSamples(const KernelCase& test) {
  if (test.samples.empty()) return;
  const auto vocabulary = (uint32_t)llm::cols(function_.getArgumentTypes().front());
  if (test.samples.size() != batch_.sampleRows.size()) error_ = "not one sample for each row";
  rt::SampleRows rows(vocabulary);
  rows.begin((uint32_t)batch_.sampleRows.size());
  for (size_t i = 0; i < test.samples.size(); ++i) rows.add((uint32_t)i, Request(test.samples[i], vocabulary).request);
  const auto device = [&](const char* name, std::span<const std::byte> records) -> const void* {
    if (records.empty()) return nullptr;
    const size_t index = addBuffer(std::string("batch.") + name, records.size(), false, 0xff);
    std::memcpy(buffers_[index].data.get(), records.data(), records.size());
    return buffers_[index].data.get();
  };
  deviceBatch_.samples = device("samples", std::as_bytes(rows.rows()));
  deviceBatch_.edits = device("edits", std::as_bytes(rows.edits()));
}

/// The second activation becomes the argmax of the first.
void KernelInputs::findBest() {
  if (activations_.size() < 2) {
    error_ = "a kernel of llm.sample takes logits and their argmax";
    return;
  }
  const reference::Tensor& logits = activations_[0].values;
  Matrix& best = activations_[1];
  const int64_t tiles = best.values.cols / 2;
  best.values = reference::argmax(logits, (logits.cols + tiles - 1) / tiles);
  for (int64_t r = 0; r < best.values.rows; ++r)
    for (int64_t c = 0; c < best.values.cols; ++c) {
      const auto value = (float)best.values.at(r, c);
      std::memcpy(buffers_[best.buffer].data.get() + (uint64_t)r * best.stride + (uint64_t)c * 4, &value, 4);
    }
}

void KernelInputs::expectSamples(const KernelCase& test) {
  if (test.samples.empty()) return;
  const reference::Tensor& logits = activations_[0].values;
  const auto vocabulary = (uint32_t)logits.cols;
  rt::Sampler sampler(vocabulary);
  for (size_t i = 0; i < test.samples.size(); ++i) {
    std::vector<float> row;
    for (int64_t c = 0; c < logits.cols; ++c) row.push_back((float)logits.at((int64_t)i, c));
    const Request request(test.samples[i], vocabulary);
    rt::SampleRows rows(vocabulary);
    rows.begin(1);
    auto token = sampler.sample(row, request.request, nullptr);
    expected_[0].at((int64_t)i, 0) = rows.add(0, request.request) && token ? (double)*token : -1;
  }
}

}  // namespace llmc::emu
