// A backend without a model: tokens that a client can check, at a chosen pace, with failures on request.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <condition_variable>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "runtime/server/backend.h"

namespace llmc::rt::server::test {

struct MockOptions {
  std::vector<std::string> names = {"mock", "mock-alias"};
  uint32_t context = 4096;
  uint32_t vocabulary = 265;
  int32_t eosId = 262;
  uint32_t eosAfter = 0;  ///< tokens until an end-of-text token; 0: none comes
  uint32_t mostRunning = 1u << 20;
  uint32_t mostWaiting = 1u << 20;
  std::chrono::microseconds step{0};  ///< pause between steps
  bool works = true;
  std::string say;  ///< file whose bytes are every answer, read anew for each request; empty: none
};

/// Token i of choice c is the byte 'a' + (sum of the prompt's ids + c + i) % 26, or allowedIds[i % size]. A cache salt
/// of the form "mock:WORD" or "mock:WORD@N" asks for a failure: "fail" or "nan" (an error event before token N),
/// "abort" (an end without a token), "full", "kv", "down" (at submit), "hang" (no token ever). "cached@N": so many
/// prompt tokens were cached; "full@N": there is room in N seconds.
class MockBackend : public Backend {
 public:
  explicit MockBackend(MockOptions options);
  ~MockBackend() override;

  const ModelFacts& facts() const override { return facts_; }
  Status submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) override;
  void cancel(GenerationId id, uint32_t choice) override;
  void pause(GenerationId id) override;
  void resume(GenerationId id) override;
  BackendStats stats() const override;
  bool works() const override { return options_.works; }

  uint64_t cancelled() const { return cancelled_.load(); }
  uint64_t paused() const { return paused_.load(); }
  uint64_t submitted() const { return submitted_.load(); }
  /// The last request that was submitted.
  GenerationRequest last() const;

 private:
  struct Sequence {
    GenerationRequest request;
    std::shared_ptr<GenerationSink> sink;
    std::chrono::steady_clock::time_point submitted;
    std::vector<uint32_t> made;     ///< tokens of each choice
    std::vector<uint8_t> finished;  ///< of each choice
    uint64_t first = 0;             ///< sum of the prompt's ids
    std::string command;
    std::string text;  ///< what is said instead of letters
    uint32_t number = 0;
    bool started = false;
    std::atomic<bool> paused{false}, cancelled{false};
    std::vector<std::atomic<uint8_t>> cancelledChoices;
  };
  void run();
  bool step(Sequence& sequence);
  void start(Sequence& sequence);
  TokenEvent token(Sequence& sequence, uint32_t choice);

  const MockOptions options_;
  ModelFacts facts_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<GenerationId, std::shared_ptr<Sequence>> sequences_;
  std::vector<std::shared_ptr<Sequence>> fresh_;
  GenerationRequest last_;
  bool stop_ = false;
  std::atomic<uint64_t> cancelled_{0}, paused_{0}, submitted_{0}, steps_{0}, tokens_{0};
  std::atomic<uint32_t> running_{0}, retryAfter_{1};
  std::thread thread_;
};

/// A tokenizer of bytes and a few words (tests/unit/runtime/text/small_tokenizer.h) with a ChatML template.
struct ModelTextSource {
  std::string tokenizerJson;
  std::string chatTemplate;
};
ModelTextSource mockText();

}  // namespace llmc::rt::server::test
