// A state a byte for what frames the chunks; their data is copied whole.
#include "runtime/server/http/chunk_decoder.h"

#include <algorithm>

#include "runtime/base/limits.h"

namespace llmc::rt::server {
namespace {

int hexValue(unsigned char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const unsigned char lower = byte | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool isText(unsigned char byte) { return (byte >= 0x20 && byte != 0x7f) || byte == '\t'; }

}  // namespace

ChunkDecoder::State ChunkDecoder::endOfSize(unsigned char byte, const std::string& body) {
  if (digits_ == 0 || (byte != '\r' && byte != ';')) return State::kBad;
  if (size_ > limits::kBodyBytes - body.size()) return State::kTooLarge;
  phase_ = byte == ';' ? Phase::kExtension : Phase::kSizeEnd;
  return State::kMore;
}

ChunkDecoder::State ChunkDecoder::control(unsigned char byte, const std::string& body) {
  if (++lineBytes_ > limits::kHeaderBytes) return State::kBad;
  const auto expect = [&](unsigned char wanted, Phase next) {
    phase_ = next;
    return byte == wanted ? State::kMore : State::kBad;
  };
  switch (phase_) {
    case Phase::kSize:
      if (const int digit = hexValue(byte); digit >= 0) {
        size_ = size_ << 4 | static_cast<uint64_t>(digit);
        return ++digits_ > 16 ? State::kBad : State::kMore;
      }
      return endOfSize(byte, body);
    case Phase::kExtension:
      if (byte == '\r') phase_ = Phase::kSizeEnd;
      return byte == '\r' || isText(byte) ? State::kMore : State::kBad;
    case Phase::kSizeEnd:
      lineBytes_ = 0;
      return expect('\n', size_ > 0 ? Phase::kData : Phase::kLineStart);
    case Phase::kDataCr:
      return expect('\r', Phase::kDataLf);
    case Phase::kDataLf:
      digits_ = 0;
      size_ = lineBytes_ = 0;
      return expect('\n', Phase::kSize);
    case Phase::kLineStart:
      phase_ = byte == '\r' ? Phase::kEnd : Phase::kTrailer;
      return byte == '\r' || (isText(byte) && byte > ' ') ? State::kMore : State::kBad;
    case Phase::kTrailer:
      if (byte == '\r') phase_ = Phase::kTrailerLf;
      return byte == '\r' || isText(byte) ? State::kMore : State::kBad;
    case Phase::kTrailerLf:
      return expect('\n', Phase::kLineStart);
    default:
      return byte == '\n' ? State::kDone : State::kBad;
  }
}

ChunkDecoder::State ChunkDecoder::feed(std::string_view input, std::string& body, size_t& used) {
  used = 0;
  while (used < input.size()) {
    if (phase_ == Phase::kData) {
      const size_t count = std::min<uint64_t>(size_, input.size() - used);
      body += input.substr(used, count);
      used += count;
      size_ -= count;
      if (size_ == 0) phase_ = Phase::kDataCr;
      continue;
    }
    const State state = control(static_cast<unsigned char>(input[used++]), body);
    if (state != State::kMore) return state;
  }
  return State::kMore;
}

}  // namespace llmc::rt::server
