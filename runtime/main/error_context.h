// What an error on the command line is told with: in which form, and where in a file the flag stands.
#pragma once

#include <map>
#include <string>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Where --config set a flag.
struct FlagPlace {
  std::string where;   ///< "FILE:LINE"
  std::string object;  ///< the file or host that it names; empty: it names none
};

/// By the flag's name, ours.
using FlagPlaces = std::map<std::string, FlagPlace, std::less<>>;

struct ErrorContext {
  bool json = false;  ///< --log-format json was asked for, on the command line or in the file
  FlagPlaces places;
};

/// `status` with the place of the first flag that its message names, else of one whose file or host it names, if
/// --config set that flag. Errors of the file itself (CLI_CONFIG) have theirs.
Status placed(const Status& status, const ErrorContext& context);

}  // namespace llmc::rt
