// Writes one PTX function as a C++ function: names, values of operands, results, and the text of its statements.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/emulator/ptx_text.h"

namespace llmc::emu {

/// "b32" -> "u32", "s32" -> "s32", "f16x2" -> "F16x2": the tag that the operations in device/ are instantiated with.
/// Empty for what is no type.
std::string typeTag(std::string_view ptx);
/// The C++ type of a register that holds it: "u32", "bool"; empty for what is no type.
std::string rawType(std::string_view ptx);
/// Size of a value of a PTX type in bytes.
uint32_t typeBytes(std::string_view ptx);

/// Where a module's names lie: shared variables have addresses in the shared window, others are C++ names.
struct Layout {
  std::map<std::string, std::string> globals;  ///< name -> expression of its u64 address
  std::map<std::string, const Function*> functions;
};

/// C++ text of one statement; empty optional: the instruction is not known.
using Text = std::optional<std::string>;

class FunctionWriter {
 public:
  FunctionWriter(const Function& function, const Layout& layout);

  /// The function's C++ text, or the error of the first statement that has no translation.
  rt::Result<std::string> write();

  /// Bits of an operand as the raw type of a PTX type.
  std::string value(const Operand& operand, std::string_view type);
  /// `operand = expression`, the expression being raw bits of the PTX type; "_" evaluates only.
  std::string assign(const Operand& operand, std::string_view type, const std::string& expression);
  /// A predicate operand, negated where it says so.
  std::string predicate(const Operand& operand);
  /// The u64 (shared window: u32) address that "[base+offset]" stands for.
  std::string address(const Operand& operand);
  /// The C++ name of a register; remembers that it is used.
  std::string reg(const std::string& name);
  /// The C++ type of a register, or empty if there is none of this name.
  std::string regType(const std::string& name);
  std::string label(const std::string& name);
  std::string line() const { return std::to_string(current_->line) + "u"; }
  const Statement* targets(const std::string& name) const;
  const Function* callee(const std::string& name) const;
  /// Where a call finds a parameter or a result: a pointer.
  std::string memoryOf(const std::string& name);
  /// Says why a statement cannot be translated.
  void refuse(const std::string& why) { why_ = why; }

 private:
  const Variable* find(const std::string& name, std::string* unique);
  std::string symbol(const std::string& name);
  rt::Result<std::string> guarded(const Statement& statement);
  void findSums();
  void addProducts(const Operand& operand, std::set<uint32_t>& lines);
  std::string sumsCheck(const Statement& statement);
  std::string declarations() const;
  std::string signature() const;

  const Function& function_;
  const Layout& layout_;
  const Statement* current_ = nullptr;
  std::map<std::pair<std::string, int>, const Variable*> variables_;
  std::map<std::string, std::string> used_;  ///< registers: C++ name -> type
  std::map<std::string, const Variable*> memories_;
  std::map<std::string, std::set<uint32_t>> sums_;  ///< registers: C++ name -> lines of wgmma that leave sums there
  std::string why_;
};

/// One line of C++ for an instruction.
Text emitInstruction(FunctionWriter& writer, const Statement& statement);
Text emitArithmetic(FunctionWriter& writer, const Statement& statement);
Text emitConvert(FunctionWriter& writer, const Statement& statement);
Text emitMemory(FunctionWriter& writer, const Statement& statement);
Text emitControl(FunctionWriter& writer, const Statement& statement);
Text emitWarp(FunctionWriter& writer, const Statement& statement);
Text emitMatrix(FunctionWriter& writer, const Statement& statement);
Text emitAsync(FunctionWriter& writer, const Statement& statement);

/// Whether every part of the opcode from `first` on, the last `tail` ones excepted, is in the list.
bool partsAllowed(const Statement& statement, size_t first, size_t tail,
                  std::initializer_list<std::string_view> allowed);
/// The bits of Mode that an opcode's parts name.
uint32_t modeOf(const Statement& statement);

}  // namespace llmc::emu
