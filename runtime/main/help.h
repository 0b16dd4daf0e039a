// The text of --help: one table that also tells the parser which flags exist.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace llmc::rt {

struct FlagHelp {
  std::string_view name;   ///< without dashes
  std::string_view value;  ///< what follows it, with its unit; empty: a switch
  std::string_view text;   ///< what it does, and its default
  std::string_view group;  ///< heading; the same for neighbours
};

/// All flags in the order of --help.
std::span<const FlagHelp> allFlags();

/// The flag of that name, or null.
const FlagHelp* findFlag(std::string_view name);

/// Whether a flag may be given more than once, each time with another value.
bool flagRepeats(std::string_view name);

std::string helpText();

}  // namespace llmc::rt
