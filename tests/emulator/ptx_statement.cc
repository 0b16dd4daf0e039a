// Parser of PTX statements: labels, guarded instructions, operands, nested scopes.
#include "tests/emulator/ptx_statement.h"

#include <cstdlib>

#include "tests/emulator/ptx_cursor.h"

namespace llmc::emu {
namespace {

rt::Result<Operand> readOperand(PtxCursor& cursor, uint32_t line);

rt::Status readParts(PtxCursor& cursor, char close, uint32_t line, std::vector<Operand>& parts) {
  if (cursor.take(close)) return rt::Status::ok();
  do {
    auto part = readOperand(cursor, line);
    if (!part) return part.takeStatus();
    parts.push_back(part.take());
  } while (cursor.take(','));
  if (!cursor.take(close)) return ptxError(line, std::string("expected '") + close + "'");
  return rt::Status::ok();
}

/// "[%rd1+8]", "[name]", "[%rd1, {%r1, %r2}]".
rt::Result<Operand> readAddress(PtxCursor& cursor, uint32_t line) {
  Operand address;
  address.kind = Operand::Kind::kAddress;
  auto base = readOperand(cursor, line);
  if (!base) return base.takeStatus();
  address.parts.push_back(base.take());
  while (cursor.peek() == '+' || cursor.peek() == '-') {
    bool minus = cursor.take('-');
    if (!minus) cursor.take('+');
    if (cursor.take('-')) minus = !minus;
    int64_t amount = std::strtoll(std::string(cursor.name()).c_str(), nullptr, 0);
    address.offset += minus ? -amount : amount;
  }
  while (cursor.take(',')) {
    auto part = readOperand(cursor, line);
    if (!part) return part.takeStatus();
    address.parts.push_back(part.take());
  }
  if (!cursor.take(']')) return ptxError(line, "expected ']'");
  return address;
}

rt::Result<Operand> readOperand(PtxCursor& cursor, uint32_t line) {
  Operand operand;
  if (cursor.take('[')) return readAddress(cursor, line);
  if (cursor.take('{') || cursor.peek() == '(') {
    bool round = cursor.take('(');
    operand.kind = Operand::Kind::kVector;
    LLMC_TRY(readParts(cursor, round ? ')' : '}', line, operand.parts));
    return operand;
  }
  operand.negated = cursor.take('!') || cursor.take('-');
  operand.text = std::string(cursor.name());
  if (operand.text.empty()) return ptxError(line, std::string("expected an operand before '") + cursor.peek() + "'");
  if (std::isdigit((unsigned char)operand.text[0])) operand.kind = Operand::Kind::kNumber;
  if (operand.text == "_") operand.kind = Operand::Kind::kSink;
  while (cursor.take('.')) operand.text += "." + std::string(cursor.name());
  if (cursor.take('|')) {
    auto second = readOperand(cursor, line);
    if (!second) return second.takeStatus();
    Operand pair;
    pair.kind = Operand::Kind::kPair;
    pair.parts = {operand, second.take()};
    return pair;
  }
  return operand;
}

/// "ld.global.nc.v4.u32" with "shared::cta" kept in one piece.
std::vector<std::string> readOpcode(PtxCursor& cursor) {
  std::vector<std::string> parts;
  do {
    std::string part(cursor.name());
    while (cursor.peek() == ':') {
      cursor.take(':');
      cursor.take(':');
      part += "::" + std::string(cursor.name());
    }
    parts.push_back(part);
  } while (cursor.take('.'));
  return parts;
}

rt::Status readInstruction(std::string_view text, uint32_t line, int scope, Function& function) {
  PtxCursor cursor(text, line);
  Statement statement;
  statement.line = line;
  statement.scope = scope;
  statement.text = std::string(text.substr(0, 160));
  if (cursor.take('@')) {
    statement.guardNegated = cursor.take('!');
    statement.guard = std::string(cursor.name());
  }
  statement.op = readOpcode(cursor);
  while (!cursor.atEnd()) {
    auto operand = readOperand(cursor, line);
    if (!operand) return ptxError(line, operand.status().message() + " in: " + statement.text);
    statement.operands.push_back(operand.take());
    if (!cursor.atEnd() && !cursor.take(',')) return ptxError(line, "expected ',' in: " + statement.text);
  }
  function.body.push_back(std::move(statement));
  return rt::Status::ok();
}

/// ".pragma", ".branchtargets" and declarations.
rt::Status readDirective(std::string_view text, uint32_t line, int scope, Function& function) {
  if (text.starts_with(".pragma")) return rt::Status::ok();
  auto declared = readDeclarations(text, line);
  if (!declared) return declared.takeStatus();
  for (Variable& variable : *declared) {
    variable.scope = scope;
    function.variables.push_back(std::move(variable));
  }
  return rt::Status::ok();
}

void readLabel(PtxCursor& cursor, int scope, Function& function) {
  Statement statement;
  statement.line = cursor.line();
  statement.scope = scope;
  statement.label = std::string(cursor.name());
  cursor.take(':');
  statement.kind = Statement::Kind::kLabel;
  if (cursor.at(".branchtargets")) {
    statement.kind = Statement::Kind::kTargets;
    cursor.take('.');
    cursor.name();
    std::string list(cursor.until(';'));
    PtxCursor names(list);
    while (!names.atEnd()) {
      statement.targets.emplace_back(names.name());
      if (!names.take(',')) break;
    }
  }
  function.scopeNames[(size_t)scope].emplace(statement.label, 1);
  function.body.push_back(std::move(statement));
}

}  // namespace

rt::Status readBody(std::string_view text, uint32_t line, Function& function) {
  PtxCursor cursor(text, line);
  function.scopeParent = {-1};
  function.scopeNames.resize(1);
  int scope = 0;
  while (!cursor.atEnd()) {
    uint32_t here = cursor.line();
    if (cursor.take('{')) {
      function.scopeParent.push_back(scope);
      function.scopeNames.emplace_back();
      scope = (int)function.scopeParent.size() - 1;
    } else if (cursor.take('}')) {
      if (scope == 0) return ptxError(here, "a closing brace too many");
      scope = function.scopeParent[(size_t)scope];
    } else if (cursor.take(';')) {
      continue;
    } else if (cursor.atLabel()) {
      readLabel(cursor, scope, function);
    } else if (cursor.peek() == '.') {
      if (cursor.at(".loc ") || cursor.at(".loc\t") || cursor.at(".file")) {
        cursor.skipLine();  // these end at their line, everything else at a semicolon
        continue;
      }
      std::string_view directive = cursor.until(';');
      LLMC_TRY(readDirective(directive, here, scope, function));
    } else {
      LLMC_TRY(readInstruction(cursor.until(';'), here, scope, function));
    }
  }
  return rt::Status::ok();
}

}  // namespace llmc::emu
