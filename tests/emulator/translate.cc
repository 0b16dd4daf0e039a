// Lays out a PTX module's memory and translates its functions.
#include "tests/emulator/translate.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tests/emulator/device/thread.h"
#include "tests/emulator/function_writer.h"
#include "tests/emulator/ptx_statement.h"

namespace llmc::emu {
namespace {

uint32_t alignOf(const Variable& variable) { return std::max({variable.align, variable.elementBytes(), 1u}); }
uint64_t roundUp(uint64_t value, uint64_t align) { return (value + align - 1) / align * align; }

/// Gives the shared variables of a list addresses from `next` on.
void placeShared(const std::vector<Variable>& variables, const std::string& prefix, uint64_t& next, Layout& layout) {
  for (const Variable& variable : variables) {
    if (variable.space != "shared") continue;
    if (variable.isExternal || (variable.isArray && variable.elements == 0)) {
      layout.globals[prefix + variable.name] = "(u64)self->dynamicShared";
      continue;
    }
    next = roundUp(next, alignOf(variable));
    layout.globals[prefix + variable.name] = std::to_string(next) + "ull";
    next += variable.bytes();
  }
}

/// The text of one initial value; a float is written as its bits.
std::string initialValue(const std::string& text) {
  if (text.starts_with("0f") || text.starts_with("0F")) return "0x" + text.substr(2) + "u";
  if (text.starts_with("0d") || text.starts_with("0D")) return "0x" + text.substr(2) + "ull";
  return text;
}

/// Module variables in global and constant memory: each loaded program has its own, at Thread::globals. `places` says
/// where in there, and has their first values.
rt::Status placeGlobals(const Module& module, Layout& layout, std::string& source, std::string& places) {
  uint64_t next = 0;
  for (const Variable& variable : module.variables) {
    if (variable.space == "shared") continue;
    std::string name = "g_" + variable.name, list;
    for (char& c : name)
      if (c == '$' || c == '%') c = '_';
    for (const std::string& value : variable.initial) {
      if (value.empty() || (!std::isdigit((unsigned char)value[0]) && value[0] != '-'))
        return rt::Status::error(rt::ErrorKind::kBadInput, "EMU_PTX",
                                 "initial value '" + value + "' of " + variable.name + " is not a number");
      list += (list.empty() ? "" : ", ") + ("(" + rawType(variable.type) + ")" + initialValue(value));
    }
    source += "static const " + rawType(variable.type) + " " + name + "[" +
              std::to_string(std::max<uint64_t>(variable.elements, 1)) + "] = {" + list + "};\n";
    next = roundUp(next, std::max(16u, alignOf(variable)));
    layout.globals[variable.name] = "(u64)(self->globals + " + std::to_string(next) + ")";
    places += "{\"" + variable.name + "\", " + name + ", " + std::to_string(next) + ", sizeof " + name + ", " +
              (variable.space == "const" ? "true" : "false") + "}, ";
    next += std::max<uint64_t>(variable.bytes(), variable.elementBytes());
  }
  return rt::Status::ok();
}

/// Places an entry's parameters one after another, each aligned, and says where they lie.
void placeParams(const Function& function, Layout& layout, Entry& entry) {
  uint64_t offset = 0;
  for (const Variable& variable : function.params) {
    offset = roundUp(offset, alignOf(variable));
    layout.globals[function.name + "/" + variable.name] = "(u64)(self->params + " + std::to_string(offset) + ")";
    entry.params.emplace_back((uint32_t)offset, (uint32_t)variable.bytes());
    offset += variable.bytes();
  }
  entry.paramBytes = (uint32_t)offset;
}

uint32_t dynamicAlign(const Module& module) {
  uint32_t align = 16;
  for (const Variable& variable : module.variables)
    if (variable.space == "shared" && variable.isExternal) align = std::max(align, alignOf(variable));
  return align;
}

std::string prototype(const std::string& text) { return text.substr(0, text.find(" {\n")) + ";\n"; }

}  // namespace

rt::Result<Translation> translatePtx(std::string_view ptx) {
  auto parsed = parsePtx(ptx);
  if (!parsed) return parsed.takeStatus();
  const Module& module = *parsed;
  Translation result;
  Layout layout;
  std::string globals, functions, prototypes, table, places;
  LLMC_TRY(placeGlobals(module, layout, globals, places));
  uint64_t next = kSharedBase;
  placeShared(module.variables, "", next, layout);
  for (const Function& function : module.functions) {
    layout.functions[function.name] = &function;
    if (!function.isEntry) placeShared(function.variables, function.name + "/", next, layout);
  }
  for (const Function& function : module.functions) {
    uint64_t end = next;
    if (function.isEntry) {
      placeShared(function.variables, function.name + "/", end, layout);
      Entry entry;
      entry.name = function.name;
      entry.maxThreads = function.maxThreads ? function.maxThreads : 1024;
      entry.sharedEnd = (uint32_t)end;
      entry.cluster = function.cluster;
      entry.dynamicAlign = dynamicAlign(module);
      for (const Statement& s : function.body)
        entry.waits |= s.op.size() > 1 && s.op[0] == "griddepcontrol" && s.op[1] == "wait";
      placeParams(function, layout, entry);
      table += "{\"" + function.name + "\", f_" + function.name + "}, ";
      result.entries.push_back(entry);
    }
    auto text = FunctionWriter(function, layout).write();
    if (!text) return text.takeStatus();
    prototypes += prototype(*text);
    functions += *text;
  }
  result.source = "#include \"memory.h\"\nnamespace llmc::emu {\n" + globals + prototypes + functions +
                  "struct Kernel { const char* name; void (*body)(Thread*); };\n"
                  "extern \"C\" __attribute__((visibility(\"default\"))) const Kernel llmc_emulator_kernels[] = {" +
                  table + "{nullptr, nullptr}};\n";
  if (!places.empty())
    result.source +=
        "struct Global { const char* name; const void* initial; u64 offset, bytes; bool constant; };\n"
        "extern \"C\" __attribute__((visibility(\"default\"))) const Global llmc_emulator_globals[] = {" +
        places + "{nullptr, nullptr, 0, 0, false}};\n";
  result.source += "}\n";
  return result;
}

}  // namespace llmc::emu
