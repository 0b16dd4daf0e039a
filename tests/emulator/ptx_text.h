// PTX text as a tree: variables, functions and statements with their lines, names resolved to scopes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::emu {

/// A declared name: a register, or memory in one of the state spaces.
struct Variable {
  std::string space;  ///< "reg", "shared", "local", "param", "const", "global"
  std::string type;   ///< element type without the dot: "b32", "pred"
  std::string name;
  uint32_t align = 0;
  uint64_t elements = 1;  ///< 0 with isExternal: sized at the launch
  bool isArray = false, isExternal = false, isVector = false;
  uint32_t count = 0;                ///< of registers declared as %r<count>
  std::vector<std::string> initial;  ///< initial values as written
  int scope = 0;

  uint32_t elementBytes() const;
  uint64_t bytes() const { return elements * elementBytes(); }
};

struct Operand {
  enum class Kind { kName, kNumber, kVector, kAddress, kPair, kSink };
  Kind kind = Kind::kName;
  std::string text;            ///< name or number as written, without the sign of negation
  bool negated = false;        ///< "!p" or "-%r1"
  int64_t offset = 0;          ///< of an address
  std::vector<Operand> parts;  ///< of a vector, pair, or a tensor address: base, coordinates
};

struct Statement {
  enum class Kind { kInstruction, kLabel, kTargets };
  Kind kind = Kind::kInstruction;
  uint32_t line = 0;
  int scope = 0;
  std::string guard;  ///< predicate register, or empty
  bool guardNegated = false;
  std::vector<std::string> op;  ///< "ld", "global", "nc", "v4", "u32"
  std::vector<Operand> operands;
  std::string label;  ///< of a label or of a list of targets
  std::vector<std::string> targets;
  std::string text;  ///< the statement as written, for errors

  /// Whether a part of the opcode after the first is `part`.
  bool has(std::string_view part) const;
};

struct Function {
  std::string name;
  bool isEntry = false, hasBody = false;
  std::vector<Variable> results, params;
  std::vector<Variable> variables;  ///< declared in the body, with their scope
  std::vector<Statement> body;
  std::vector<int> scopeParent;                        ///< scope 0 is the body, its parent -1
  std::vector<std::map<std::string, int>> scopeNames;  ///< labels declared in each scope
  uint32_t maxThreads = 0;
  uint32_t cluster = 1;  ///< blocks of a cluster, neighbours in x
};

struct Module {
  std::vector<Variable> variables;
  std::vector<Function> functions;
};

/// Reads a module; an error names the line of the text that is not understood.
rt::Result<Module> parsePtx(std::string_view text);

}  // namespace llmc::emu
