// Names, operands and results of translated PTX functions.
#include "tests/emulator/function_writer.h"

#include <algorithm>

#include "tests/emulator/ptx_statement.h"

namespace llmc::emu {
namespace {

struct TypeRow {
  std::string_view ptx, tag, raw;
  uint32_t bytes;
};
constexpr TypeRow kTypes[] = {
    {"pred", "Pred", "bool", 1},    {"b8", "u8", "u8", 1},          {"u8", "u8", "u8", 1},
    {"s8", "s8", "u8", 1},          {"b16", "u16", "u16", 2},       {"u16", "u16", "u16", 2},
    {"s16", "s16", "u16", 2},       {"f16", "F16", "u16", 2},       {"bf16", "B16", "u16", 2},
    {"b32", "u32", "u32", 4},       {"u32", "u32", "u32", 4},       {"s32", "s32", "u32", 4},
    {"f32", "float", "u32", 4},     {"f16x2", "F16x2", "u32", 4},   {"bf16x2", "B16x2", "u32", 4},
    {"tf32", "u32", "u32", 4},      {"b64", "u64", "u64", 8},       {"u64", "u64", "u64", 8},
    {"s64", "s64", "u64", 8},       {"f64", "double", "u64", 8},    {"f32x2", "F32x2", "u64", 8},
    {"e4m3x2", "E4m3x2", "u16", 2}, {"e5m2x2", "E5m2x2", "u16", 2},
};

const TypeRow* rowOf(std::string_view ptx) {
  const auto* row = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeRow& r) { return r.ptx == ptx; });
  return row == std::end(kTypes) ? nullptr : row;
}

std::string cName(const std::string& name) {
  std::string result = name;
  for (char& c : result)
    if (c == '%' || c == '$' || c == '.') c = '_';
  return result;
}

/// Special registers as expressions.
std::string special(const std::string& name) {
  static const std::map<std::string, std::string> kSpecial = {
      {"%laneid", "self->lane"},
      {"%warpid", "(self->linear / 32)"},
      {"%nwarpid", "((self->ntid[0] * self->ntid[1] * self->ntid[2] + 31) / 32)"},
      {"%smid", "0u"},
      {"%emu_variant", "self->variant"},  // no device has it: which of several faults is in this launch
      {"%nsmid", "1u"},
      {"%gridid", "0ull"},
      {"%lanemask_eq", "(1u << self->lane)"},
      {"%lanemask_lt", "((1u << self->lane) - 1)"},
      {"%lanemask_le", "((2u << self->lane) - 1)"},
      {"%lanemask_gt", "~((2u << self->lane) - 1)"},
      {"%lanemask_ge", "~((1u << self->lane) - 1)"},
      {"%clock", "(u32)__builtin_ia32_rdtsc()"},
      {"%clock64", "(u64)__builtin_ia32_rdtsc()"},
      {"%globaltimer", "(u64)__builtin_ia32_rdtsc()"},
      {"%dynamic_smem_size", "(self->sharedEnd - self->dynamicShared)"},
      {"%total_smem_size", "(self->sharedEnd - kSharedBase)"},
      {"%cluster_ctarank", "self->clusterRank"},
      {"%cluster_nctarank", "self->clusterSize"},
      {"WARP_SZ", "32u"}};
  auto found = kSpecial.find(name);
  if (found != kSpecial.end()) return found->second;
  size_t dot = name.find('.');
  if (dot == std::string::npos || dot + 2 != name.size()) return {};
  std::string base = name.substr(1, dot - 1), index = std::to_string(name[dot + 1] - 'x');
  for (const char* known : {"tid", "ntid", "ctaid", "nctaid"})
    if (base == known) return "self->" + base + "[" + index + "]";
  const bool x = index == "0";  // clusters are neighbours in x
  if (base == "cluster_ctaid") return x ? "self->clusterRank" : "0u";
  if (base == "cluster_nctaid") return x ? "self->clusterSize" : "1u";
  if (base == "clusterid") return "(self->ctaid[" + index + "]" + (x ? " / self->clusterSize)" : ")");
  if (base == "nclusterid") return "(self->nctaid[" + index + "]" + (x ? " / self->clusterSize)" : ")");
  return {};
}

}  // namespace

std::string typeTag(std::string_view ptx) { return rowOf(ptx) ? std::string(rowOf(ptx)->tag) : std::string(); }
std::string rawType(std::string_view ptx) { return rowOf(ptx) ? std::string(rowOf(ptx)->raw) : std::string(); }
uint32_t typeBytes(std::string_view ptx) { return rowOf(ptx) ? rowOf(ptx)->bytes : 0; }

bool partsAllowed(const Statement& statement, size_t first, size_t tail,
                  std::initializer_list<std::string_view> allowed) {
  for (size_t i = first; i + tail < statement.op.size(); ++i)
    if (std::find(allowed.begin(), allowed.end(), statement.op[i]) == allowed.end()) return false;
  return true;
}

uint32_t modeOf(const Statement& statement) {
  static const std::map<std::string_view, uint32_t> kModes = {
      {"ftz", 1}, {"sat", 2}, {"rz", 4}, {"rm", 8}, {"rp", 16}, {"NaN", 32}, {"relu", 64}, {"satfinite", 256}};
  uint32_t mode = 0;
  for (size_t i = 1; i < statement.op.size(); ++i) {
    auto found = kModes.find(statement.op[i]);
    if (found != kModes.end()) mode |= found->second;
  }
  return mode;
}

FunctionWriter::FunctionWriter(const Function& function, const Layout& layout) : function_(function), layout_(layout) {
  for (const Variable& variable : function.variables) variables_[{variable.name, variable.scope}] = &variable;
}

/// The declaration that a name means at the current statement, and its unique C++ name.
const Variable* FunctionWriter::find(const std::string& name, std::string* unique) {
  size_t digits = name.find_last_not_of("0123456789") + 1;
  std::string family = name.substr(0, digits);
  for (int scope = current_->scope; scope >= 0; scope = function_.scopeParent[(size_t)scope]) {
    auto found = variables_.find({name, scope});
    bool member = found != variables_.end() && found->second->count == 0;
    if (!member) {
      found = variables_.find({family, scope});
      member = found != variables_.end() && found->second->count != 0 && digits < name.size();
    }
    if (!member) continue;
    *unique = "v" + cName(name) + (scope ? "_s" + std::to_string(scope) : "");
    return found->second;
  }
  return nullptr;
}

std::string FunctionWriter::regType(const std::string& name) {
  std::string unique;
  const Variable* variable = find(name, &unique);
  return variable && variable->space == "reg" ? variable->type : std::string();
}

std::string FunctionWriter::reg(const std::string& name) {
  std::string unique;
  const Variable* variable = find(name, &unique);
  if (!variable || variable->space != "reg") {
    refuse("'" + name + "' is not declared");
    return "0";
  }
  used_[unique] = rawType(variable->type);
  return unique;
}

/// The u64 address of a variable or parameter.
std::string FunctionWriter::symbol(const std::string& name) {
  std::string unique;
  if (const Variable* variable = find(name, &unique); variable && variable->space != "reg") {
    auto shared = layout_.globals.find(function_.name + "/" + name);
    if (variable->space == "shared" && shared != layout_.globals.end()) return shared->second;
    memories_[unique] = variable;
    return "(u64)" + unique;
  }
  auto local = layout_.globals.find(function_.name + "/" + name);
  if (local != layout_.globals.end()) return local->second;
  for (const std::vector<Variable>* list : {&function_.params, &function_.results})
    for (const Variable& variable : *list)
      if (variable.name == name) return "(u64)p_" + cName(name);
  auto global = layout_.globals.find(name);
  if (global != layout_.globals.end()) return global->second;
  refuse("'" + name + "' is not declared");
  return "0";
}

std::string FunctionWriter::memoryOf(const std::string& name) { return "(u8*)" + symbol(name); }

std::string FunctionWriter::value(const Operand& operand, std::string_view type) {
  std::string raw = rawType(type);
  if (operand.kind == Operand::Kind::kNumber) {
    std::string text = operand.text;
    if (text.starts_with("0f") || text.starts_with("0F")) text = "0x" + text.substr(2) + "u";
    if (text.starts_with("0d") || text.starts_with("0D")) text = "0x" + text.substr(2) + "ull";
    while (!text.empty() && text.back() == 'U') text.pop_back();
    if (text.find('u') == std::string::npos) text += "ull";
    return "(" + raw + ")" + (operand.negated ? "(0 - " + text + ")" : text);
  }
  if (operand.kind != Operand::Kind::kName) {
    refuse("an operand of another form was expected");
    return "0";
  }
  if (std::string text = special(operand.text); !text.empty()) return "(" + raw + ")" + text;
  std::string declared = regType(operand.text);
  if (declared == "pred") return predicate(operand);
  if (!declared.empty()) return (typeBytes(declared) == typeBytes(type) ? "" : "(" + raw + ")") + reg(operand.text);
  return "(" + raw + ")" + symbol(operand.text);
}

std::string FunctionWriter::predicate(const Operand& operand) {
  if (operand.kind == Operand::Kind::kNumber) return operand.text == "0" ? "false" : "true";
  return (operand.negated ? "!" : "") + reg(operand.text);
}

std::string FunctionWriter::assign(const Operand& operand, std::string_view type, const std::string& expression) {
  if (operand.kind == Operand::Kind::kSink) return "(void)(" + expression + ");";
  std::string declared = regType(operand.text);
  std::string target = reg(operand.text);
  if (typeBytes(declared) == typeBytes(type)) return target + " = " + expression + ";";
  return target + " = widen<" + rawType(declared) + ", " + typeTag(type) + ">(" + expression + ");";
}

std::string FunctionWriter::address(const Operand& operand) {
  if (operand.kind != Operand::Kind::kAddress) {
    refuse("an address was expected");
    return "0";
  }
  std::string base = value(operand.parts[0], "b64");
  if (regType(operand.parts[0].text) == "b32" || regType(operand.parts[0].text) == "u32")
    base = value(operand.parts[0], "b32");
  if (operand.offset == 0) return base;
  return "(" + base + " + " + std::to_string(operand.offset) + ")";
}

std::string FunctionWriter::label(const std::string& name) {
  for (int scope = current_->scope; scope >= 0; scope = function_.scopeParent[(size_t)scope])
    if (function_.scopeNames[(size_t)scope].count(name)) return "L" + std::to_string(scope) + "_" + cName(name);
  refuse("no label '" + name + "'");
  return "L";
}

const Statement* FunctionWriter::targets(const std::string& name) const {
  for (const Statement& statement : function_.body)
    if (statement.kind == Statement::Kind::kTargets && statement.label == name) return &statement;
  return nullptr;
}

const Function* FunctionWriter::callee(const std::string& name) const {
  auto found = layout_.functions.find(name);
  return found == layout_.functions.end() ? nullptr : found->second;
}

std::string FunctionWriter::declarations() const {
  std::map<std::string, std::string> byType;
  for (const auto& [name, type] : used_) byType[type] += (byType[type].empty() ? " " : ", ") + name + " = 0";
  std::string text;
  for (const auto& [type, names] : byType) text += "  " + type + names + ";\n";
  for (const auto& [name, variable] : memories_)
    text += "  alignas(" + std::to_string(std::max(variable->align, 16u)) + ") u8 " + name + "[" +
            std::to_string(std::max<uint64_t>(variable->bytes(), 16)) + "];\n";
  return text;
}

std::string FunctionWriter::signature() const {
  std::string text = "static void f_" + cName(function_.name) + "(Thread* self";
  for (const std::vector<Variable>* list : {&function_.results, &function_.params})
    for (const Variable& variable : *list)
      if (!function_.isEntry) text += ", u8* p_" + cName(variable.name);
  return text + ")";
}

rt::Result<std::string> FunctionWriter::write() {
  // A straight piece of code counts its instructions where it begins.
  std::string body, piece;
  unsigned count = 0;
  findSums();
  auto closePiece = [&] {
    if (count) body += "  LLMC_COUNT(" + std::to_string(count) + ");\n";
    body += piece;
    piece.clear();
    count = 0;
  };
  for (const Statement& statement : function_.body) {
    current_ = &statement;
    why_.clear();
    if (statement.kind == Statement::Kind::kTargets) continue;
    if (statement.kind == Statement::Kind::kLabel) {
      closePiece();
      body += label(statement.label) + ":;\n";
      continue;
    }
    auto text = guarded(statement);
    if (!text) return text.takeStatus();
    piece += *text;
    ++count;
    if (statement.op[0] == "bra" || statement.op[0] == "ret" || statement.op[0] == "exit") closePiece();
  }
  closePiece();
  return signature() + " {\n" + declarations() + body + "}\n";
}

static bool isWarpgroupProduct(const Statement& statement) {
  return statement.op.size() > 1 && statement.op[0] == "wgmma" && statement.op[1] == "mma_async";
}

void FunctionWriter::findSums() {
  for (const Statement& statement : function_.body) {
    if (!isWarpgroupProduct(statement) || statement.operands.empty()) continue;
    current_ = &statement;
    std::string unique;
    for (const Operand& part : statement.operands[0].parts)
      if (find(part.text, &unique)) sums_[unique].insert(statement.line);
  }
}

/// Adds the products that leave sums in registers of an operand.
void FunctionWriter::addProducts(const Operand& operand, std::set<uint32_t>& lines) {
  std::string unique;
  if (operand.kind == Operand::Kind::kName && find(operand.text, &unique))
    if (auto found = sums_.find(unique); found != sums_.end()) lines.insert(found->second.begin(), found->second.end());
  for (const Operand& part : operand.parts) addProducts(part, lines);
}

/// In the checked build, before an instruction on such registers; products may follow each other on theirs.
std::string FunctionWriter::sumsCheck(const Statement& statement) {
  if (sums_.empty()) return {};
  std::set<uint32_t> lines;
  for (size_t i = isWarpgroupProduct(statement) ? 1 : 0; i < statement.operands.size(); ++i)
    addProducts(statement.operands[i], lines);
  if (lines.empty()) return {};
  std::string list;
  for (const uint32_t one : lines) list += (list.empty() ? "" : ", ") + std::to_string(one) + "u";
  return "if (LLMC_EMULATOR_CHECKED) { static const u32 w_[] = {" + list + "}; self->services->wgmmaSums(self, w_, " +
         std::to_string(lines.size()) + "u, " + line() + "); } ";
}

/// One instruction with its predicate.
rt::Result<std::string> FunctionWriter::guarded(const Statement& statement) {
  Text text = emitInstruction(*this, statement);
  if (!text || !why_.empty())
    return ptxError(statement.line,
                    (why_.empty() ? "unknown instruction" : why_) + std::string(" in: ") + statement.text);
  std::string guard;
  if (!statement.guard.empty())
    guard = "if (" + std::string(statement.guardNegated ? "!" : "") + reg(statement.guard) + ") ";
  return "  " + guard + "{ " + sumsCheck(statement) + *text + " }\n";
}

Text emitInstruction(FunctionWriter& writer, const Statement& statement) {
  for (auto* emit : {emitArithmetic, emitMemory, emitConvert, emitControl, emitWarp, emitMatrix, emitAsync})
    if (Text text = emit(writer, statement)) return text;
  return std::nullopt;
}

}  // namespace llmc::emu
