// Threads take pieces in the order of the file; each fills one of its pinned buffers while the other one is copied.
#include "runtime/exec/cuda/device_weights.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

namespace llmc::rt::cuda {
namespace {

struct Piece {
  std::span<const std::byte> bytes;
  CuAddress to;
};

/// What the threads of one upload share.
struct Upload {
  Upload(const Context& where, uint64_t bytes) : context(where), pieceBytes(bytes) {}
  const Context& context;
  const uint64_t pieceBytes;
  bool madeUp = false;
  std::vector<Piece> pieces;
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> done{0};
  std::mutex mutex;
  std::condition_variable ended;
  uint32_t running = 0;  ///< threads
  Status failure;        ///< the first one
};

/// Words of 16 bits that are numbers from 2^-7 to 2 of either sign in f16, bf16, as half of an f32 and as two e4m3: no
/// format makes an infinity of them, or no number at all. Codes of fewer bits may be anything.
void makeUp(PinnedBuffer& buffer) {
  constexpr uint32_t kBits = 0x81bf, kExponent = 0x3c00;
  uint32_t state = 1;
  for (uint64_t i = 0; i + 2 <= buffer.size(); i += 2) {
    state = state * 1664525u + 1013904223u;
    const uint32_t word = kExponent | (state >> 16 & kBits);
    buffer.data()[i] = static_cast<uint8_t>(word);
    buffer.data()[i + 1] = static_cast<uint8_t>(word >> 8);
  }
}

class Uploader {
 public:
  static Status run(Upload& upload) {
    LLMC_TRY(upload.context.makeCurrent());
    Uploader uploader(upload);
    return uploader.runAll();
  }

 private:
  struct Side {
    PinnedBuffer buffer;
    Event copied;
  };

  explicit Uploader(Upload& upload) : upload_(upload) {}

  Status runAll() {
    auto stream = Stream::create(upload_.context);
    LLMC_TRY(stream.status());
    for (Side& side : sides_) {
      auto buffer = PinnedBuffer::create(upload_.context, upload_.pieceBytes, "weights on their way");
      LLMC_TRY(buffer.status());
      side.buffer = buffer.take();
      auto event = Event::create(upload_.context);
      LLMC_TRY(event.status());
      side.copied = event.take();
    }
    // Waits even after a failure: the buffers must not go while they are read.
    Status status = copyPieces(**stream);
    const Status waited = (*stream)->synchronize();
    return status ? waited : status;
  }

  Status copyPieces(const Stream& stream) {
    for (size_t turn = 0;; ++turn) {
      const size_t index = upload_.next.fetch_add(1);
      if (index >= upload_.pieces.size()) return Status::ok();
      const Piece& piece = upload_.pieces[index];
      Side& side = sides_[turn % 2];
      LLMC_TRY(side.copied.wait());
      if (upload_.madeUp && turn < 2) makeUp(side.buffer);  // and it stays so
      if (!upload_.madeUp) std::memcpy(side.buffer.data(), piece.bytes.data(), piece.bytes.size());
      LLMC_TRY(stream.copy(piece.to, hostAddress(side.buffer.data()), piece.bytes.size()));
      LLMC_TRY(stream.record(side.copied));
      upload_.done.fetch_add(piece.bytes.size());
    }
  }

  Upload& upload_;
  Side sides_[2];
};

void uploadThread(Upload& upload) {
  Status status = Uploader::run(upload);
  const std::lock_guard lock(upload.mutex);
  if (!status) {
    upload.next.store(upload.pieces.size());  // the others stop too
    if (upload.failure) upload.failure = std::move(status);
  }
  if (--upload.running == 0) upload.ended.notify_all();
}

Status uploadAll(Upload& upload, const UploadOptions& options) {
  uint64_t total = 0;
  for (const Piece& piece : upload.pieces) total += piece.bytes.size();
  const auto threads = static_cast<uint32_t>(std::clamp<size_t>(upload.pieces.size() / 2, 1, options.threads));
  if (threads == 1 && !options.progress) return Uploader::run(upload);
  upload.running = threads;
  std::vector<std::thread> pool;
  for (uint32_t i = 0; i < threads; ++i) pool.emplace_back(uploadThread, std::ref(upload));
  {
    std::unique_lock lock(upload.mutex);
    while (!upload.ended.wait_for(lock, std::chrono::milliseconds(100), [&] { return upload.running == 0; })) {
      lock.unlock();
      if (options.progress) options.progress(upload.done.load(), total);
      lock.lock();
    }
  }
  for (std::thread& thread : pool) thread.join();
  if (options.progress && upload.failure) options.progress(total, total);
  return std::move(upload.failure);
}

std::set<uint32_t> weightSections(const fb::Engine& plan) {
  std::set<uint32_t> sections;
  for (const auto* weight : *plan.weights()) sections.insert(weight->section());
  return sections;
}

}  // namespace

uint64_t DeviceWeights::bytesFor(const fb::Engine& plan,
                                 const std::function<std::span<const std::byte>(uint32_t)>& section) {
  uint64_t bytes = 0;
  for (const uint32_t index : weightSections(plan)) bytes += section(index).size();
  return bytes;
}

Result<DeviceWeights> DeviceWeights::upload(const Context& context, const fb::Engine& plan,
                                            const std::function<std::span<const std::byte>(uint32_t)>& section,
                                            const UploadOptions& options) {
  DeviceWeights weights;
  Upload upload(context, options.pieceBytes);
  upload.madeUp = options.madeUp;
  for (const uint32_t index : weightSections(plan)) {
    const std::span<const std::byte> bytes = section(index);
    auto buffer = DeviceBuffer::create(context, bytes.size(), "the weights");
    LLMC_TRY(buffer.status());
    for (uint64_t at = 0; at < bytes.size(); at += options.pieceBytes)
      upload.pieces.push_back(
          {bytes.subspan(at, std::min(options.pieceBytes, bytes.size() - at)), buffer->address() + at});
    weights.sections_.emplace(index, buffer.take());
  }
  LLMC_TRY(uploadAll(upload, options));
  for (const auto* weight : *plan.weights())
    weights.addresses_.push_back(weights.sections_.at(weight->section()).address() + weight->offset());
  return weights;
}

}  // namespace llmc::rt::cuda
