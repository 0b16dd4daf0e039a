// Answers text questions for the comparison scripts of tests/e2e/text: one request a line on stdin, one answer a line
// on stdout.
#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/text/chat_template.h"
#include "runtime/text/detokenizer.h"
#include "runtime/text/tokenizer.h"

namespace {

using namespace llmc::rt;

// Text fields travel as hexadecimal bytes, "-" when empty, so that a line stays a line.
std::string fromHex(const std::string& hex) {
  std::string out;
  if (hex == "-") return out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    out += static_cast<char>(value);
  }
  return out;
}

std::string toHex(const std::string& bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  if (bytes.empty()) return "-";
  std::string out;
  for (unsigned char byte : bytes) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::string answer(const Result<std::string>& text) {
  return text ? "ok " + toHex(*text) : "error " + text.status().code() + " " + toHex(text.status().message());
}

std::string answer(const Result<std::vector<int32_t>>& ids) {
  if (!ids) return "error " + ids.status().code() + " " + toHex(ids.status().message());
  std::string out = "ok";
  for (int32_t id : *ids) out += " " + std::to_string(id);
  return out;
}

std::vector<int32_t> readIds(std::istream& in) {
  return {std::istream_iterator<int32_t>(in), std::istream_iterator<int32_t>()};
}

Result<std::string> stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip) {
  TokenStream state(tokenizer, skip);
  std::string text;
  for (int32_t id : ids) {
    auto piece = state.push(id);
    if (!piece) return piece;
    text += *piece;
  }
  auto tail = state.flush();
  if (!tail) return tail;
  return text + *tail;
}

ChatRequest chatRequest(std::istream& in, std::string& messages, std::string& extra) {
  int generate = 0;
  int64_t now = 0;
  std::string messagesHex, extraHex;
  in >> generate >> now >> messagesHex >> extraHex;
  messages = fromHex(messagesHex);
  extra = fromHex(extraHex);
  return {messages, extra, generate != 0, now};
}

std::string handle(const Tokenizer& tokenizer, const ChatTemplate* chat, const std::string& line) {
  std::istringstream in(line);
  std::string command, text, messages, extra;
  bool first = false, second = false;
  in >> command;
  if (command == "encode") {
    in >> first >> second >> text;
    return answer(tokenizer.encode(fromHex(text), {.addSpecialTokens = first, .parseSpecialTokens = second}));
  }
  if (command == "decode" || command == "stream") {
    in >> first;
    auto ids = readIds(in);
    return answer(command == "decode" ? tokenizer.decode(ids, first) : stream(tokenizer, ids, first));
  }
  if (command == "bytes") {
    auto bytes = tokenizer.tokenBytes(readIds(in).at(0));
    return bytes ? "ok " + toHex(*bytes) : "none";
  }
  if (chat == nullptr) return "error NO_TEMPLATE -";
  ChatRequest request = chatRequest(in, messages, extra);
  if (command == "render") return answer(chat->render(request));
  auto segments = chat->renderSegments(request, tokenizer);
  if (!segments) return answer(Result<std::string>(segments.status()));
  return answer(tokenizer.encodeSegments(*segments));
}

std::string readFile(const char* path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

// text_cases tokenizer.json [template.jinja BOS EOS]; a file tokenizer.json.tokens is an engine's table of tokens
int main(int argc, char** argv) {
  if (argc < 2) return 64;
  const std::string json = readFile(argv[1]), tokens = readFile((std::string(argv[1]) + ".tokens").c_str());
  auto tokenizer = Tokenizer::create(json, tokens, nullptr);
  if (!tokenizer) {
    std::cerr << tokenizer.status().toString() << "\n";
    return 65;
  }
  std::optional<ChatTemplate> chat;
  if (argc >= 5) {
    auto made = ChatTemplate::create(readFile(argv[2]), argv[3], argv[4]);
    if (!made) {
      std::cerr << made.status().toString() << "\n";
      return 65;
    }
    chat = made.take();
  }
  for (std::string line; std::getline(std::cin, line);)
    std::cout << handle(*tokenizer, chat ? &*chat : nullptr, line) << "\n";
  return 0;
}
