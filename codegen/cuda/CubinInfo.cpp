// Reads the attribute records of .nv.info sections. NVIDIA does not document them; the ids are those that cuobjdump and
// the public open-source tools agree on, checked in the tests against what NVRTC 13 writes for all architectures.
#include "codegen/cuda/CubinInfo.h"

#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"
#include "llvm/Object/ELFTypes.h"
#include "llvm/Support/Endian.h"
#include <optional>
#include <string>

namespace llmc {

using rt::ErrorKind;
using rt::Result;
using rt::Status;
using Elf = llvm::object::ELF64LE;
using ElfFile = llvm::object::ELFFile<Elf>;

static constexpr int64_t kReservedShared = 1024; // of each block, from sm_90 on, for the system

// Formats and ids of attributes.
static constexpr uint8_t kSizedValue = 4;
static constexpr uint8_t kFrameSize = 0x11, kParameterSize = 0x19, kRegisterCount = 0x2f, kClusterSize = 0x3d;

static Status broken(const llvm::Twine &what) {
  return Status::error(ErrorKind::kInternal, "CU_CUBIN", "expected a cubin from NVRTC, found " + what.str());
}

/// The value of an llvm::Expected, or nothing; the message is kept in `why`.
template <typename T> static std::optional<T> take(llvm::Expected<T> value, std::string &why) {
  if (value)
    return std::move(*value);
  why = llvm::toString(value.takeError());
  return std::nullopt;
}

/// Calls `visit(id, value, payload)` for each attribute; value: the 16 bits of a short one. False: cut short.
static bool forAttributes(llvm::StringRef section,
                          llvm::function_ref<void(uint8_t id, uint16_t value, llvm::StringRef payload)> visit) {
  while (!section.empty()) {
    if (section.size() < 4)
      return false;
    const auto format = static_cast<uint8_t>(section[0]), id = static_cast<uint8_t>(section[1]);
    const uint16_t value = llvm::support::endian::read16le(section.data() + 2);
    section = section.drop_front(4);
    llvm::StringRef payload;
    if (format == kSizedValue) {
      if (section.size() < value)
        return false;
      payload = section.take_front(value);
      section = section.drop_front(value);
    }
    visit(id, value, payload);
  }
  return true;
}

static uint32_t word(llvm::StringRef payload, size_t index) {
  return payload.size() >= 4 * (index + 1) ? llvm::support::endian::read32le(payload.data() + 4 * index) : 0;
}

/// Index of `symbol` in the symbol table.
static std::optional<uint32_t> findSymbol(const ElfFile &file, Elf::ShdrRange sections, llvm::StringRef symbol,
                                          std::string &why) {
  for (const Elf::Shdr &section : sections) {
    if (section.sh_type != llvm::ELF::SHT_SYMTAB)
      continue;
    auto symbols = take(file.symbols(&section), why);
    auto names = take(file.getStringTableForSymtab(section, sections), why);
    if (!symbols || !names)
      return std::nullopt;
    for (auto [i, entry] : llvm::enumerate(*symbols)) {
      auto name = take(entry.getName(*names), why);
      if (name && *name == symbol)
        return i;
    }
  }
  if (why.empty())
    why = "no kernel " + symbol.str();
  return std::nullopt;
}

Result<CubinInfo> readCubin(std::string_view cubin, std::string_view symbolName) {
  const llvm::StringRef symbol(symbolName.data(), symbolName.size());
  std::string why;
  auto file = take(ElfFile::create(llvm::StringRef(cubin.data(), cubin.size())), why);
  if (!file || file->getHeader().e_machine != llvm::ELF::EM_CUDA)
    return broken(file ? "an ELF file for another machine" : why);
  auto sections = take(file->sections(), why);
  if (!sections)
    return broken(why);
  auto kernel = findSymbol(*file, *sections, symbol, why);
  if (!kernel)
    return broken(why);
  const bool reserves = (file->getHeader().e_flags >> 8 & 0xff) >= 90;
  CubinInfo info;
  bool whole = true, hasRegisters = false, hasParameters = false;
  for (const Elf::Shdr &section : *sections) {
    auto name = take(file->getSectionName(section), why);
    if (!name)
      return broken(why);
    if (*name == (".nv.shared." + symbol).str())
      info.sharedBytes = std::max<int64_t>(0, section.sh_size - (reserves ? kReservedShared : 0));
    const bool own = *name == (".nv.info." + symbol).str();
    if (!own && *name != ".nv.info")
      continue;
    auto bytes = take(file->getSectionContents(section), why);
    if (!bytes)
      return broken(why);
    whole &= forAttributes(llvm::StringRef(reinterpret_cast<const char *>(bytes->data()), bytes->size()),
                           [&](uint8_t id, uint16_t value, llvm::StringRef payload) {
                             if (own && id == kParameterSize) {
                               info.parameterBytes = value;
                               hasParameters = true;
                             } else if (own && id == kClusterSize && payload.size() >= 12) {
                               info.cluster =
                                   static_cast<int64_t>(word(payload, 0)) * word(payload, 1) * word(payload, 2);
                             } else if (!own && payload.size() >= 8 && word(payload, 0) == *kernel) {
                               if (id == kRegisterCount) {
                                 info.registers = word(payload, 1);
                                 hasRegisters = true;
                               } else if (id == kFrameSize) {
                                 info.frameBytes = word(payload, 1);
                               }
                             }
                           });
  }
  if (!whole || !hasRegisters || !hasParameters)
    return broken(llvm::Twine("one whose .nv.info ") + (whole ? "says nothing about " + symbol.str() : "is cut short"));
  return info;
}

} // namespace llmc
