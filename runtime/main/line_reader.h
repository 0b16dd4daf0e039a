// One line of user input: with editing and history on a terminal, plain otherwise.
#pragma once

#include <optional>
#include <string>

namespace llmc::rt {

/// Next line without its newline; nothing at the end of the input. `prompt` is shown on a terminal only. Sleeps while
/// it waits. Ctrl-C on a terminal drops what was typed and gives an empty line.
std::optional<std::string> readLine(const char* prompt);

}  // namespace llmc::rt
