// An HTTP request and a response as plain values.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llmc::rt::server {

struct HttpRequest {
  std::string method;
  std::string path;                                          ///< as it came: nothing is decoded, nothing is normalised
  std::string query;                                         ///< without '?'
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case, in order
  std::string body;
  bool http10 = false;
  bool keepAlive = true;

  /// The first header of that name, or empty. `name` in lower case.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return {};
  }
  size_t count(std::string_view name) const {
    size_t found = 0;
    for (const auto& [key, value] : headers) found += key == name;
    return found;
  }
};

struct HttpResponse {
  int status = 200;
  std::string body = {};
  std::string contentType = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// "Not Found" for 404.
std::string_view statusPhrase(int status);

}  // namespace llmc::rt::server
