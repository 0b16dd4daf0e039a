// Values are checked all over the program, and each message names its flag: by that name the place is found.
#include "runtime/main/error_context.h"

#include <algorithm>
#include <string_view>

namespace llmc::rt {

namespace {

const FlagPlace* placeOfNamed(std::string_view message, const FlagPlaces& places) {
  constexpr std::string_view kNameBytes = "abcdefghijklmnopqrstuvwxyz-";
  for (size_t at = message.find("--"); at != std::string_view::npos; at = message.find("--", at)) {
    at += 2;
    const size_t end = std::min(message.find_first_not_of(kNameBytes, at), message.size());
    if (const auto found = places.find(message.substr(at, end - at)); found != places.end()) return &found->second;
    at = end;
  }
  return nullptr;
}

const FlagPlace* placeOfObject(std::string_view message, const FlagPlaces& places) {
  for (const auto& [name, place] : places)
    if (!place.object.empty() && message.find(escaped(place.object)) != std::string_view::npos) return &place;
  return nullptr;
}

}  // namespace

Status placed(const Status& status, const ErrorContext& context) {
  if (status || status.code() == "CLI_CONFIG") return status;
  const FlagPlace* place = placeOfNamed(status.message(), context.places);
  if (!place) place = placeOfObject(status.message(), context.places);
  if (!place) return status;
  return Status::error(status.kind(), status.code(), place->where + ": " + status.message(), status.hint());
}

}  // namespace llmc::rt
