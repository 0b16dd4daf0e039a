// ChatTemplate over the Rust library.
#include "runtime/text/chat_template.h"

#include <chrono>

#include "runtime/text/boundary.h"

namespace llmc::rt {
namespace {

struct Page {
  std::string text;
  std::vector<LlmcTextRange> user;  // bytes of `text`, sorted and disjoint
};

Result<Page> renderPage(const LlmcTemplate* handle, const ChatRequest& request, const LlmcTokenizer* guard) {
  using std::chrono::duration_cast, std::chrono::seconds, std::chrono::system_clock;
  int64_t now = request.unixTime.value_or(duration_cast<seconds>(system_clock::now().time_since_epoch()).count());
  LlmcTextBytes text{};
  LlmcTextRanges user{};
  LlmcTextBytes error{};
  int32_t kind = llmc_template_render(handle, text::view(request.messages), text::view(request.extra),
                                      request.addGenerationPrompt, now, guard, &text, &user, &error);
  if (kind != 0) return text::failure(kind, error);
  Page page{text::take(text), {user.data, user.data + user.size}};
  llmc_text_ranges_free(user);
  return page;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::create(std::string_view source, std::string_view bos, std::string_view eos) {
  LlmcTemplate* raw = nullptr;
  LlmcTextBytes error{};
  int32_t kind = llmc_template_create(text::view(source), text::view(bos), text::view(eos), &raw, &error);
  if (kind != 0) return text::failure(kind, error);
  return ChatTemplate(std::shared_ptr<const LlmcTemplate>(
      raw, [](const LlmcTemplate* t) { llmc_template_free(const_cast<LlmcTemplate*>(t)); }));
}

Result<std::string> ChatTemplate::render(const ChatRequest& request) const {
  auto page = renderPage(handle_.get(), request, nullptr);
  if (!page) return page.takeStatus();
  return std::move(page->text);
}

Result<std::vector<TextSegment>> ChatTemplate::renderSegments(const ChatRequest& request,
                                                              const Tokenizer& tokenizer) const {
  auto page = renderPage(handle_.get(), request, tokenizer.handle().get());
  if (!page) return page.takeStatus();
  std::vector<TextSegment> segments;
  size_t at = 0;
  for (const LlmcTextRange& range : page->user) {
    if (at < range.begin) segments.push_back({page->text.substr(at, range.begin - at), false});
    segments.push_back({page->text.substr(range.begin, range.end - range.begin), true});
    at = range.end;
  }
  if (at < page->text.size()) segments.push_back({page->text.substr(at), false});
  return segments;
}

std::string userMessageJson(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = R"([{"role":"user","content":")";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"}]";
}

}  // namespace llmc::rt
