// The page of GET /: one document, built from the files beside this one, with everything in it.
#pragma once

#include <string_view>

#include "runtime/server/http/message.h"

namespace llmc::rt::server {

/// Written at build time by embed.cmake; lives as long as the program.
struct PageContent {
  std::string_view text;    ///< UTF-8
  std::string_view tag;     ///< of this text, in quotes, as ETag has it
  std::string_view hashes;  ///< the directives of Content-Security-Policy that let its scripts and styles run
};
extern const PageContent kPage;

/// The page, or 304 when the browser has it. Holds nothing that a key would guard. Any thread.
HttpResponse pageResponse(const HttpRequest& request);

}  // namespace llmc::rt::server
