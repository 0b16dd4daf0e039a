// The head is looked at as bytes first: a parser that sees fields cannot tell how their lines ended.
#include "runtime/server/http/request_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>

#include "runtime/base/ascii.h"
#include "runtime/base/limits.h"

namespace llmc::rt::server {
namespace http = boost::beast::http;
namespace {

/// Of all Connection headers, which are one list (RFC 9110, 5.3); Beast looks at the first alone.
bool staysOpen(const HttpRequest& request) {
  bool close = false, keep = false;
  for (const auto& [name, value] : request.headers) {
    if (name != "connection") continue;
    const std::string options = asciiLower(value);
    for (size_t at = 0; at <= options.size();) {
      const size_t end = std::min(options.find(',', at), options.size());
      std::string_view option(options.data() + at, end - at);
      option.remove_prefix(std::min(option.find_first_not_of(" \t"), option.size()));
      option = option.substr(0, option.find_last_not_of(" \t") + 1);
      close |= option == "close";
      keep |= option == "keep-alive";
      at = end + 1;
    }
  }
  return !close && (keep || !request.http10);
}

}  // namespace

RequestReader::State RequestReader::fail(int status, std::string reason) {
  status_ = status;
  reason_ = std::move(reason);
  return state_ = State::kFailed;
}

bool RequestReader::takeContinue() { return std::exchange(expectContinue_, false); }

HttpRequest RequestReader::take() {
  state_ = State::kHead;
  chunks_.reset();
  scanned_ = wireBytes_ = length_ = 0;
  expectContinue_ = false;
  return std::exchange(request_, {});
}

RequestReader::State RequestReader::feed(std::string& input) {
  if (state_ == State::kHead) feedHead(input);
  if (state_ == State::kBody) feedBody(input);
  return state_;
}

/// Looks back only, so that a head that never ends, since its lines end in LF alone, is refused with its first one.
bool RequestReader::rawHeadIsClean(std::string_view head, size_t from) {
  for (size_t i = from; i < head.size(); ++i) {
    const auto byte = static_cast<unsigned char>(head[i]);
    const char before = i > 0 ? head[i - 1] : '\0';
    if ((before == '\r') != (byte == '\n')) return false;
    if (before == '\n' && (byte == ' ' || byte == '\t')) return false;
    if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f) return false;
  }
  return true;
}

bool RequestReader::lengthIsSound() {
  const std::string_view coding = request_.header("transfer-encoding");
  const bool coded = request_.count("transfer-encoding") > 0;
  if (request_.count("content-length") > 1) return false;
  if (coded && (request_.count("transfer-encoding") > 1 || asciiLower(coding) != "chunked")) return false;
  if (coded && (request_.http10 || request_.count("content-length") > 0)) return false;
  const std::string_view length = request_.header("content-length");
  if (request_.count("content-length") == 0) return true;
  return !length.empty() && std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool RequestReader::headersAreSound() {
  if (!lengthIsSound()) return fail(400, "Content-Length or Transfer-Encoding is not valid"), false;
  const size_t hosts = request_.count("host");
  if (hosts > 1 || (hosts == 0 && !request_.http10)) return fail(400, "one Host header is needed"), false;
  for (const char* one : {"authorization", "x-api-key", "content-type", "content-encoding"})
    if (request_.count(one) > 1) return fail(400, "more than one " + std::string(one) + " header"), false;
  if (request_.count("upgrade") > 0) return fail(400, "the protocol cannot be changed"), false;
  const std::string encoding = asciiLower(request_.header("content-encoding"));
  if (!encoding.empty() && encoding != "identity") return fail(415, "the body must not be compressed"), false;
  const std::string expect = asciiLower(request_.header("expect"));
  if (!expect.empty() && expect != "100-continue") return fail(417, "Expect may only be 100-continue"), false;
  expectContinue_ = !expect.empty() && !request_.http10;
  return true;
}

/// A path, or the absolute form that proxies send (RFC 9112, 3.2.2): its host stands in for that of the header.
bool RequestReader::splitTarget(std::string_view target) {
  authority_.clear();
  const size_t scheme = target.find("://");
  if (!target.starts_with('/') && scheme != std::string_view::npos) {
    if (asciiLower(target.substr(0, scheme)) != "http" && asciiLower(target.substr(0, scheme)) != "https") return false;
    target.remove_prefix(scheme + 3);
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    authority_ = target.substr(0, end);
    if (authority_.empty() || authority_.find('@') != std::string::npos) return false;
    target.remove_prefix(end);
    if (!target.starts_with('/')) request_.path = "/";
  } else if (!target.starts_with('/')) {
    return false;
  }
  request_.path += target.substr(0, target.find('?'));
  const size_t query = target.find('?');
  if (query != std::string_view::npos) request_.query = target.substr(query + 1);
  return true;
}

RequestReader::State RequestReader::feedHead(std::string& input) {
  if (scanned_ == 0) {
    // Empty lines before a request are tolerated (RFC 9112, 2.2), in whatever pieces they come.
    while (input.starts_with("\r\n")) input.erase(0, 2);
    if (input.empty() || input == "\r") return state_;
    if (input.front() < 'A' || input.front() > 'Z') return fail(400, "this is not HTTP/1.1");
  }
  const size_t end = input.find("\r\n\r\n", scanned_ > 3 ? scanned_ - 3 : 0);
  const size_t line = input.find("\r\n");
  if (std::min(line, input.size()) > limits::kRequestLineBytes) return fail(414, "the request line is too long");
  if (std::min(end, input.size()) > limits::kHeaderBytes) return fail(431, "the headers are too large");
  const std::string_view head = std::string_view(input).substr(0, end == std::string::npos ? end : end + 4);
  if (!rawHeadIsClean(head, scanned_)) return fail(400, "the headers hold a byte or a line end that is not allowed");
  scanned_ = input.size();
  if (end == std::string::npos) return state_;
  if (std::count(head.begin(), head.end(), '\n') > static_cast<long>(limits::kHeaders) + 2)
    return fail(431, "too many headers");

  http::request_parser<http::empty_body> parser;
  parser.eager(false);
  parser.header_limit(static_cast<uint32_t>(limits::kHeaderBytes + 1024));
  parser.body_limit(boost::none);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head), error);
  if ((error && error != http::error::need_more) || !parser.is_header_done())
    return fail(400, "the request is not valid HTTP/1.1");
  auto& message = parser.get();
  const std::string_view target(message.target().data(), message.target().size());
  if (message.version() != 10 && message.version() != 11)
    return fail(400, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  if (!splitTarget(target)) return fail(400, "the target must be a path, or an http address of this server");
  request_.method = std::string(message.method_string());
  request_.http10 = message.version() == 10;
  for (const auto& field : message)
    request_.headers.emplace_back(asciiLower({field.name_string().data(), field.name_string().size()}),
                                  std::string(field.value().data(), field.value().size()));
  request_.keepAlive = staysOpen(request_);
  if (!headersAreSound()) return state_;
  if (!authority_.empty()) {
    std::erase_if(request_.headers, [](const auto& header) { return header.first == "host"; });
    request_.headers.emplace_back("host", authority_);
  }
  input.erase(0, head.size());
  return beginBody();
}

RequestReader::State RequestReader::beginBody() {
  if (request_.count("transfer-encoding") > 0) {
    chunks_.emplace();
    return state_ = State::kBody;
  }
  const std::string_view length = request_.header("content-length");
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), length_);
  if (error == std::errc::result_out_of_range) return fail(400, "Content-Length is no number of 64 bits");
  if (length_ > limits::kBodyBytes)
    return fail(413, "the body is larger than " + std::to_string(limits::kBodyBytes) + " bytes");
  return state_ = length_ > 0 ? State::kBody : State::kDone;
}

RequestReader::State RequestReader::feedBody(std::string& input) {
  if (!chunks_) {
    const size_t count = std::min<uint64_t>(length_ - request_.body.size(), input.size());
    request_.body.append(input, 0, count);
    input.erase(0, count);
    return state_ = request_.body.size() == length_ ? State::kDone : State::kBody;
  }
  size_t used = 0;
  const auto result = chunks_->feed(input, request_.body, used);
  input.erase(0, used);
  wireBytes_ += used;
  if (result == ChunkDecoder::State::kTooLarge || wireBytes_ > limits::kBodyWireBytes)
    return fail(413, "the body is larger than " + std::to_string(limits::kBodyBytes) + " bytes");
  if (result == ChunkDecoder::State::kBad) return fail(400, "the body is not valid HTTP/1.1");
  return state_ = result == ChunkDecoder::State::kDone ? State::kDone : State::kBody;
}

std::string_view statusPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return status < 500 ? "Error" : "Internal Server Error";
  }
}

}  // namespace llmc::rt::server
