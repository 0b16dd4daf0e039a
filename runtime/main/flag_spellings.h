// Other spellings of our flags: vLLM's, and underscores in place of dashes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Our name of a flag, without dashes before it. Unknown names come back as they are, but for underscores.
std::string ourFlagName(std::string_view name);

/// The flag of two dashes that an argument of one dash stands for in vLLM, with its value where that is attached:
/// "-tp" and "-tp=1", "-qawq"; nothing for other arguments.
std::optional<std::string> ofOneDash(std::string_view argument);

/// What a flag of vLLM's that is no flag here comes to: what it says is so anyway, or is said by another flag of ours.
struct Spelled {
  std::string ours;        ///< flag to give in its place; empty: none
  std::string_view other;  ///< the flag of ours that says the opposite; empty: none
};

/// Whether `name` (as ourFlagName() gives it) is a switch of vLLM's, with or without "no-" before it.
bool isSwitch(std::string_view name);
/// Error CLI_FLAG (64) with the reason when this server never does what the switch asks for. Requires: isSwitch(name).
Result<Spelled> readSwitch(std::string_view name, bool on);

/// Whether `name` is a flag of vLLM's with a value that has one choice here.
bool isFixed(std::string_view name);
/// Error CLI_FLAG (64) with the reason unless `value` is what is so anyway. Requires: isFixed(name).
Status checkFixed(std::string_view name, std::string_view value);

/// Error CLI_FLAG (64) that says what there is instead, of a flag of vLLM's that would promise what this server does
/// not do.
Status checkHad(std::string_view name);

/// A flag of vLLM's about machinery that is not here: nothing comes of it, with any value.
struct Idle {
  bool value;          ///< one follows
  std::string notice;  ///< "--NAME has no effect here: ..."
};

/// Of a name as ourFlagName() gives it; a switch with "no-" before it, too. Nothing for other flags.
std::optional<Idle> findIdle(std::string_view name);

/// Whether vLLM's value of one of our flags means what leaving it out means: `--max-model-len auto` and -1.
bool isLeftOut(std::string_view name, std::string_view value);

/// A command line in our spelling.
struct SpelledLine {
  std::vector<std::string> arguments;
  std::vector<std::string> said;     ///< our flags that it decides, also those that it only keeps from being set
  std::vector<std::string> notices;  ///< of its flags that have no effect, one each
  bool serve = false;                ///< it begins with the word, as vLLM's do; never where there is such a file
};

/// Several values after one flag that repeats, as in vLLM ("--api-key A B"), become that flag several times, where the
/// engine stands before it. Errors CLI_FLAG (64): see readSwitch() and checkFixed().
Result<SpelledLine> inOurSpelling(const std::vector<std::string>& arguments);

}  // namespace llmc::rt
