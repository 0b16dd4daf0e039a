// Statements of a PTX function body.
#pragma once

#include "tests/emulator/ptx_text.h"

namespace llmc::emu {

rt::Status ptxError(uint32_t line, const std::string& what);

/// Declarations between a directive and its semicolon: ".reg .b32 %r<5>", ".shared .align 4 .b8 x[32]".
rt::Result<std::vector<Variable>> readDeclarations(std::string_view text, uint32_t line);

/// Reads the text between the braces of a function into its statements, variables and scopes.
rt::Status readBody(std::string_view text, uint32_t line, Function& function);

}  // namespace llmc::emu
