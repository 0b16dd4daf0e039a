// Events with names, as Anthropic's and OpenAI's newer API stream them.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace llmc::rt::server::test {

/// The payloads, after a check that each event's name is its type.
inline std::vector<nlohmann::json> eventsOf(const std::string& text) {
  std::vector<nlohmann::json> out;
  for (size_t at = 0; at < text.size();) {
    const size_t line = text.find('\n', at), end = text.find("\n\n", at);
    out.push_back(nlohmann::json::parse(text.substr(line + 7, end - line - 7)));
    EXPECT_EQ(text.substr(at, line - at), "event: " + out.back()["type"].get<std::string>());
    EXPECT_EQ(text.substr(line + 1, 6), "data: ");
    at = end + 2;
  }
  return out;
}

}  // namespace llmc::rt::server::test
