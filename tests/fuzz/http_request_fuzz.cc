// Fuzz target: bytes of a connection. Whatever the pieces in which they come, the same requests are read, and the same
// refusal ends them: an attacker must not choose by timing what a request is.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "runtime/server/http/request_reader.h"

namespace {

/// All that was read, as text.
std::string readAll(std::string_view bytes, size_t piece) {
  llmc::rt::server::RequestReader reader;
  std::string input, out;
  while (!bytes.empty()) {
    const size_t count = std::min(piece, bytes.size());
    input += bytes.substr(0, count);
    bytes.remove_prefix(count);
    using State = llmc::rt::server::RequestReader::State;
    State state;
    while ((state = reader.feed(input)) == State::kDone) {
      const auto request = reader.take();
      out += request.method + " " + request.path + "\n" + request.body + "\n";
    }
    if (state == State::kFailed) return out + "refused";
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = readAll(bytes, size + 1);
  if (readAll(bytes, 1) != whole || readAll(bytes, 7) != whole) std::abort();
  return 0;
}
