// Headers that let the page do what it does and nothing else.
#include "runtime/server/page/page.h"

namespace llmc::rt::server {
namespace {

/// Whether If-None-Match names the page. Its list is compared weakly, as RFC 9110 has it for GET.
bool namesPage(std::string_view list) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view one = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
    while (!one.empty() && (one.back() == ' ' || one.back() == '\t')) one.remove_suffix(1);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == kPage.tag || one == "*") return true;
  }
  return false;
}

}  // namespace

HttpResponse pageResponse(const HttpRequest& request) {
  HttpResponse response;
  // Asked again each time, at the price of a 304: a new version of the server shows at once.
  response.headers = {{"ETag", std::string(kPage.tag)}, {"Cache-Control", "no-cache"}};
  if (namesPage(request.header("if-none-match"))) {
    response.status = 304;
    return response;
  }
  response.body = kPage.text;
  response.contentType = "text/html; charset=utf-8";
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; " + std::string(kPage.hashes) +
                                    "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                                    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  return response;
}

}  // namespace llmc::rt::server
