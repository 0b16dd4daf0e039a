// Message layout of importer errors.
#include "compiler/import/ImportError.h"

namespace llmc {

/// A path is shown whole, so that it can be opened; Linux takes no longer one.
static constexpr size_t kLongestPath = 4096;

rt::Status importError(std::string code, const Place& place, std::string_view reason, std::string hint,
                       rt::ErrorKind kind) {
  std::string message = rt::escaped(place.file, kLongestPath);
  if (place.offset >= 0) message += ": byte " + std::to_string(place.offset);
  if (!place.object.empty()) message += ": '" + rt::escaped(place.object) + "'";
  message += ": ";
  message += reason;
  return rt::Status::error(kind, std::move(code), std::move(message), std::move(hint));
}

}  // namespace llmc
