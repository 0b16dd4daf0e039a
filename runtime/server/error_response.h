// The HTTP answer that an error is, in the shape of the API that was asked.
#pragma once

#include "runtime/server/api/api_error.h"
#include "runtime/server/http/exchange.h"

namespace llmc::rt::server {

/// With Retry-After and WWW-Authenticate where they belong.
HttpResponse errorResponse(const Exchange& exchange, const ApiError& error);

}  // namespace llmc::rt::server
