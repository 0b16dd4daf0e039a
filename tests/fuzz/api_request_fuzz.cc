// Fuzz target: the body of a request to one of the four APIs; the first byte chooses which.
#include <cstdint>
#include <cstdlib>

#include "runtime/server/api/generate_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace llmc::rt::server;
  if (size == 0) return 0;
  static const ModelFacts facts = [] {
    ModelFacts made;
    made.names = {"m"};
    made.context = 1000;
    made.vocabulary = 300;
    return made;
  }();
  Json json;
  if (parseBody({reinterpret_cast<const char*>(data) + 1, size - 1}, json)) return 0;
  GenerateRequest request;
  // What is accepted is in its ranges: the sampler's own check agrees.
  const bool accepted = !readGenerateRequest(json, static_cast<Api>(data[0] & 3), facts, request);
  if (accepted && !llmc::rt::checkParams(request.sampling, facts.vocabulary)) std::abort();
  return 0;
}
