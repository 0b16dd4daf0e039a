// What a server says of itself when it starts: model, memory, how many sequences fit, where it listens.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/main/flags.h"
#include "runtime/main/session.h"

namespace llmc::rt {

/// Lines of text without the last line end. `address` as in "http://127.0.0.1:8000"; `hostPages` of swapped sequences.
std::string startScreen(Session& session, const Flags& flags, const std::string& address, uint32_t hostPages = 0);

/// "http://HOST:PORT"; an IPv6 address gets its brackets.
std::string addressOf(const std::string& host, int port);

}  // namespace llmc::rt
