// Status, headers and body of an error.
#include "runtime/server/error_response.h"

#include <string>

namespace llmc::rt::server {

HttpResponse errorResponse(const Exchange& exchange, const ApiError& error) {
  HttpResponse response{error.status, error.json(errorShapeOf(exchange.request.path))};
  if (error.retryAfter > 0) response.headers.emplace_back("Retry-After", std::to_string(error.retryAfter));
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace llmc::rt::server
