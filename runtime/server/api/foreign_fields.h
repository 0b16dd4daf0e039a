// Fields that are another API's: here they would be read by nobody, and the answer would be another one than was asked
// for.
#pragma once

#include "runtime/server/api/generate_request.h"

namespace llmc::rt::server {

/// Refuses fields of /v1/chat/completions and /v1/completions, and those that `api` calls otherwise, unless they hold
/// what leaving them out means. Requires: api is kMessages or kResponses. (vLLM ignores them there.)
void refuseForeign(FieldReader& fields, Api api);

}  // namespace llmc::rt::server
