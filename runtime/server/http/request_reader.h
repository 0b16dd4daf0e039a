// Bytes of a connection to requests, within limits; strict where leniency would let two parsers disagree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/server/http/chunk_decoder.h"
#include "runtime/server/http/message.h"

namespace llmc::rt::server {

/// Reads one request after the other. Not thread-safe. Beast has the grammar; what it would accept beyond our rules
/// (folded headers, repeated lengths, codings it does not know) is refused here.
class RequestReader {
 public:
  enum class State : uint8_t { kHead, kBody, kDone, kFailed };

  /// Takes what it can use from the front of `input` and removes it. With kDone the request is ready in take(), and
  /// bytes of the next one are left in `input`.
  State feed(std::string& input);

  /// Requires: kDone. The reader starts over.
  HttpRequest take();

  State state() const { return state_; }
  /// Status to answer a failed request with, and why. Requires: kFailed.
  int status() const { return status_; }
  const std::string& reason() const { return reason_; }
  /// Of a failed request whose head could be read: its path; else empty.
  const std::string& path() const { return request_.path; }
  const std::string& method() const { return request_.method; }  ///< likewise
  /// The client waits for "100 Continue" before it sends the body. True once a request.
  bool takeContinue();

 private:
  State fail(int status, std::string reason);
  State feedHead(std::string& input);
  State beginBody();
  State feedBody(std::string& input);
  bool splitTarget(std::string_view target);
  bool rawHeadIsClean(std::string_view head, size_t from);
  bool headersAreSound();
  bool lengthIsSound();

  State state_ = State::kHead;
  std::optional<ChunkDecoder> chunks_;
  uint64_t length_ = 0;  ///< of a body without chunks
  HttpRequest request_;
  std::string authority_;   ///< of a target in absolute form; else empty
  size_t scanned_ = 0;      ///< bytes of the head that hold no end of it
  uint64_t wireBytes_ = 0;  ///< of the body so far
  bool expectContinue_ = false;
  int status_ = 0;
  std::string reason_;
};

}  // namespace llmc::rt::server
