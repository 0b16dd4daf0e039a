// Parser of PTX text: module, functions and declarations; the statements of a body are in ptx_statement.cc.
#include "tests/emulator/ptx_text.h"

#include <algorithm>
#include <cstdlib>

#include "tests/emulator/ptx_cursor.h"
#include "tests/emulator/ptx_statement.h"

namespace llmc::emu {

rt::Status ptxError(uint32_t line, const std::string& what) {
  return rt::Status::error(rt::ErrorKind::kBadInput, "EMU_PTX", "PTX line " + std::to_string(line) + ": " + what);
}

uint32_t Variable::elementBytes() const {
  if (type == "pred" || type.ends_with("8")) return type == "b128" ? 16 : 1;
  if (type == "b128") return 16;
  if (type.ends_with("16")) return 2;
  if (type.ends_with("64")) return 8;
  return 4;
}

bool Statement::has(std::string_view part) const { return std::find(op.begin() + 1, op.end(), part) != op.end(); }

namespace {

/// Comments become spaces; lines stay.
std::string withoutComments(std::string_view text) {
  std::string result(text.substr(0, text.find('\0')));
  for (size_t i = 0; i + 1 < result.size(); ++i) {
    if (result[i] != '/') continue;
    if (result[i + 1] == '/') {
      while (i < result.size() && result[i] != '\n') result[i++] = ' ';
    } else if (result[i + 1] == '*') {
      size_t end = std::min(result.find("*/", i + 2), result.size() - 2) + 2;
      for (; i < end; ++i)
        if (result[i] != '\n') result[i] = ' ';
    }
  }
  return result;
}

std::vector<std::string> splitList(std::string_view text) {
  std::vector<std::string> parts;
  PtxCursor cursor(text);
  while (!cursor.atEnd()) {
    std::string part(cursor.until(','));
    while (!part.empty() && std::isspace((unsigned char)part.back())) part.pop_back();
    parts.push_back(part);
  }
  return parts;
}

/// The directives before the names of a declaration: ".shared .align 4 .b8".
rt::Status readAttributes(PtxCursor& cursor, Variable& variable) {
  static const char* const kSpaces[] = {"reg", "shared", "local", "param", "const", "global"};
  while (cursor.take('.')) {
    std::string word(cursor.name());
    if (word == "align") {
      variable.align = (uint32_t)std::atoi(std::string(cursor.name()).c_str());
    } else if (std::find(std::begin(kSpaces), std::end(kSpaces), word) != std::end(kSpaces)) {
      if (variable.space.empty()) variable.space = word;
    } else if (word == "extern") {
      variable.isExternal = true;
    } else if (word == "v2" || word == "v4") {
      variable.isVector = true;
    } else if (word == "ptr" || word == "visible" || word == "weak" || word == "common") {
      continue;
    } else if (word.find_first_of("0123456789") != std::string::npos || word == "pred") {
      variable.type = word;
    } else {
      return ptxError(cursor.line(), "unknown directive ." + word);
    }
  }
  return rt::Status::ok();
}

/// One name with its dimensions and initial value.
rt::Status readDeclarator(PtxCursor& cursor, Variable& variable) {
  variable.name = std::string(cursor.name());
  if (variable.name.empty()) return ptxError(cursor.line(), "a declaration without a name");
  if (cursor.take('<')) {
    variable.count = (uint32_t)std::atoi(std::string(cursor.until('>')).c_str());
  }
  while (cursor.take('[')) {
    std::string size(cursor.until(']'));
    variable.isArray = true;
    variable.elements *= std::strtoull(size.c_str(), nullptr, 0);
  }
  if (cursor.take('=')) {
    if (cursor.take('{')) {
      variable.initial = splitList(cursor.nested('{', '}'));
    } else {
      variable.initial = {std::string(cursor.until(';'))};
    }
  }
  return rt::Status::ok();
}

}  // namespace

rt::Result<std::vector<Variable>> readDeclarations(std::string_view text, uint32_t line) {
  PtxCursor cursor(text, line);
  Variable first;
  LLMC_TRY(readAttributes(cursor, first));
  if (first.type.empty()) return ptxError(line, "a declaration without a type: " + std::string(text));
  std::vector<Variable> variables;
  do {
    Variable next = first;
    LLMC_TRY(readDeclarator(cursor, next));
    variables.push_back(std::move(next));
  } while (cursor.take(','));
  if (!cursor.atEnd()) return ptxError(line, "unexpected text in a declaration: " + std::string(text));
  return variables;
}

namespace {

/// ".param .u64 .ptr .align 1 a, .param .f32 b": each parameter has its own directives.
rt::Status readParameters(std::string_view text, uint32_t line, std::vector<Variable>& params) {
  for (const std::string& part : splitList(text)) {
    auto declared = readDeclarations(part, line);
    if (!declared) return declared.takeStatus();
    for (Variable& variable : *declared) {
      // ".ptr .align N" speaks of what the pointer names; a parameter is aligned to its own size.
      if (part.find(".ptr") != std::string::npos) variable.align = 0;
      params.push_back(std::move(variable));
    }
  }
  return rt::Status::ok();
}

rt::Status readFunctionDirectives(PtxCursor& cursor, Function& function) {
  while (cursor.peek() == '.') {
    cursor.take('.');
    std::string word(cursor.name());
    if (word == "pragma") {
      cursor.until(';');
      continue;
    }
    static const char* const kKnown[] = {"maxntid",           "reqntid",        "minnctapersm",    "maxnreg",
                                         "noreturn",          "maxnctapersm",   "explicitcluster", "reqnctapercluster",
                                         "blocksareclusters", "maxclusterrank", "unified"};
    if (std::find(std::begin(kKnown), std::end(kKnown), word) == std::end(kKnown))
      return ptxError(cursor.line(), "unknown directive ." + word);
    uint32_t product = 1, first = 0;
    while (std::isdigit((unsigned char)cursor.peek())) {
      const auto number = (uint32_t)std::atoi(std::string(cursor.name()).c_str());
      if (first == 0) first = number;
      product *= number;
      cursor.take(',');
    }
    if (word == "maxntid" || word == "reqntid") function.maxThreads = product;
    if (word == "reqnctapercluster") {
      if (first != product || product > 8)
        return ptxError(cursor.line(), "clusters of up to 8 neighbours in x are emulated, found " +
                                           std::to_string(product) + " blocks, " + std::to_string(first) +
                                           " of them in x");
      function.cluster = product;
    }
  }
  return rt::Status::ok();
}

rt::Status readFunction(PtxCursor& cursor, bool isEntry, Module& module) {
  Function function;
  function.isEntry = isEntry;
  uint32_t line = cursor.line();
  if (!isEntry && cursor.take('(')) LLMC_TRY(readParameters(cursor.nested('(', ')'), line, function.results));
  function.name = std::string(cursor.name());
  if (function.name.empty()) return ptxError(line, "a function without a name");
  if (cursor.take('(')) LLMC_TRY(readParameters(cursor.nested('(', ')'), line, function.params));
  LLMC_TRY(readFunctionDirectives(cursor, function));
  if (cursor.take('{')) {
    function.hasBody = true;
    uint32_t bodyLine = cursor.line();
    std::string_view body = cursor.nested('{', '}');
    if (!cursor.closed()) return ptxError(bodyLine, "the body of " + function.name + " does not end");
    LLMC_TRY(readBody(body, bodyLine, function));
  } else if (!cursor.take(';')) {
    return ptxError(cursor.line(), "expected the body of " + function.name);
  }
  if (function.hasBody) module.functions.push_back(std::move(function));
  return rt::Status::ok();
}

}  // namespace

rt::Result<Module> parsePtx(std::string_view text) {
  std::string clean = withoutComments(text);
  PtxCursor cursor(clean);
  Module module;
  std::string linkage;
  while (!cursor.atEnd()) {
    uint32_t line = cursor.line();
    if (!cursor.take('.')) return ptxError(line, "expected a directive, found '" + std::string(cursor.word()) + "'");
    std::string word(cursor.name());
    if (word == "version" || word == "target" || word == "address_size" || word == "file") {
      cursor.skipLine();
    } else if (word == "section") {
      cursor.until('{');
      cursor.nested('{', '}');
    } else if (word == "visible" || word == "weak" || word == "extern" || word == "common") {
      linkage = word;
      continue;
    } else if (word == "entry" || word == "func") {
      LLMC_TRY(readFunction(cursor, word == "entry", module));
    } else if (word == "shared" || word == "global" || word == "const") {
      auto variables = readDeclarations("." + word + " " + std::string(cursor.until(';')), line);
      if (!variables) return variables.takeStatus();
      for (Variable& variable : *variables) {
        variable.isExternal = linkage == "extern";
        module.variables.push_back(std::move(variable));
      }
    } else {
      return ptxError(line, "unknown directive ." + word);
    }
    linkage.clear();
  }
  return module;
}

}  // namespace llmc::emu
