// Other spellings of our flags: vLLM's, and underscores in place of dashes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmc::rt {

/// Our name of a flag, without dashes before it; empty when it asks for what is always so. Unknown names come back as
/// they are, but for underscores.
std::string ourFlagName(std::string_view name);

/// The command line in our spelling. Several values after one flag that repeats, as in vLLM ("--api-key A B"), become
/// that flag several times, where the engine stands before it.
std::vector<std::string> inOurSpelling(const std::vector<std::string>& arguments);

}  // namespace llmc::rt
