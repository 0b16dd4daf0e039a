// What the server's parser makes of bytes, for tests/fuzz/framing.py: reads cases (a line with their length in bytes,
// then the bytes) from standard input and answers each with a line: requests as METHOD PATH QUERY BODY KEEP in
// hexadecimal digits, KEEP 0 or 1, separated by commas; then a space and how it ended: "refused STATUS", "more" or
// "end". A request after which the connection closes is the last. Not installed.
#include <cstdio>
#include <string>

#include "runtime/server/http/request_reader.h"

namespace {

using llmc::rt::server::HttpRequest;
using llmc::rt::server::RequestReader;

std::string hex(const std::string& text) {
  std::string out;
  char digits[3];
  for (const char c : text) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

std::string requestText(const HttpRequest& request) {
  return hex(request.method) + "/" + hex(request.path) + "/" + hex(request.query) + "/" + hex(request.body) + "/" +
         (request.keepAlive ? "1" : "0");
}

std::string readCase(std::string input) {
  RequestReader reader;
  std::string requests;
  while (!input.empty()) {
    const auto state = reader.feed(input);
    if (state == RequestReader::State::kFailed) return requests + " refused " + std::to_string(reader.status());
    if (state != RequestReader::State::kDone) return requests + " more";
    const HttpRequest request = reader.take();
    requests += (requests.empty() ? "" : ",") + requestText(request);
    if (!request.keepAlive) break;
  }
  return requests + " end";
}

}  // namespace

int main() {
  unsigned long length = 0;
  while (std::scanf("%lu", &length) == 1 && std::getchar() == '\n') {
    std::string input(length, '\0');
    if (std::fread(input.data(), 1, length, stdin) != length) return 1;
    std::printf("%s\n", readCase(std::move(input)).c_str());
  }
  return std::feof(stdin) ? 0 : 1;
}
