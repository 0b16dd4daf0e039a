// Attributes of kernels as NVRTC writes them; codegen/cuda/CubinInfo reads more of them when an engine is built.
#include "runtime/format/device_code_check.h"

#include <elf.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt {
namespace {

constexpr uint16_t kCudaMachine = 190;
/// Records of .nv.info: format, attribute, two bytes, which count bytes that follow or are the value.
constexpr unsigned char kSizedValue = 0x04, kParameterBytes = 0x19;
constexpr size_t kRecordBytes = 4;

uint16_t halfWord(std::string_view bytes) {
  uint16_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string cutAt(std::string_view what, uint64_t size) {
  return " is cut: its " + std::string(what) + " ends behind its " + std::to_string(size) + " bytes";
}

std::string otherArchitecture(uint64_t found, uint32_t wanted) {
  return " is code for sm_" + std::to_string(found) + ", must be for sm_" + std::to_string(wanted);
}

std::string noKernel(const DeviceKernel& kernel) { return " has no kernel " + escaped(kernel.symbol); }

std::string parameterFault(const DeviceKernel& kernel, uint64_t found) {
  if (found == kernel.parameterBytes) return {};
  return " takes " + std::to_string(found) + " bytes of arguments, must take " + std::to_string(kernel.parameterBytes);
}

/// A cubin whose header is whole.
class Cubin {
 public:
  Cubin(std::string_view bytes, const Elf64_Ehdr& header) : bytes_(bytes), header_(header) {}

  std::string fault(const DeviceKernel& kernel) {
    if (const uint32_t found = header_.e_flags >> 8 & 0xff; found != kernel.architecture)
      return otherArchitecture(found, kernel.architecture);
    if (std::string cut = readTables(); !cut.empty()) return cut;
    const std::string wanted = ".nv.info." + std::string(kernel.symbol);
    for (const Elf64_Shdr& section : sections_)
      if (nameOf(section) == wanted) {
        const auto found = parameterBytes(bytes_.substr(section.sh_offset, section.sh_size));
        return found ? parameterFault(kernel, *found)
                     : " does not say what arguments " + escaped(kernel.symbol) + " takes";
      }
    return noKernel(kernel);
  }

 private:
  bool within(uint64_t offset, uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }

  std::string readTables() {
    if (header_.e_phnum > 0 && !within(header_.e_phoff, uint64_t{header_.e_phnum} * header_.e_phentsize))
      return cutAt("table of segments", bytes_.size());
    const uint64_t tableBytes = uint64_t{header_.e_shnum} * sizeof(Elf64_Shdr);
    if (header_.e_shentsize != sizeof(Elf64_Shdr) || !within(header_.e_shoff, tableBytes))
      return cutAt("table of sections", bytes_.size());
    sections_.resize(header_.e_shnum);
    if (tableBytes > 0) std::memcpy(sections_.data(), bytes_.data() + header_.e_shoff, tableBytes);
    for (size_t i = 0; i < sections_.size(); ++i)
      if (sections_[i].sh_type != SHT_NOBITS && !within(sections_[i].sh_offset, sections_[i].sh_size))
        return cutAt("section " + std::to_string(i), bytes_.size());
    if (header_.e_shstrndx >= sections_.size() || sections_[header_.e_shstrndx].sh_type != SHT_STRTAB)
      return " has no names of sections";
    names_ = bytes_.substr(sections_[header_.e_shstrndx].sh_offset, sections_[header_.e_shstrndx].sh_size);
    return {};
  }

  /// Empty where it does not lie among the names.
  std::string_view nameOf(const Elf64_Shdr& section) const {
    if (section.sh_type == SHT_NOBITS || section.sh_name >= names_.size()) return {};
    const std::string_view rest = names_.substr(section.sh_name);
    const size_t end = rest.find('\0');
    return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
  }

  static std::optional<uint64_t> parameterBytes(std::string_view records) {
    while (records.size() >= kRecordBytes) {
      const auto format = static_cast<unsigned char>(records[0]), attribute = static_cast<unsigned char>(records[1]);
      const uint16_t value = halfWord(records.substr(2));
      if (format != kSizedValue && attribute == kParameterBytes) return value;
      records.remove_prefix(std::min<size_t>(records.size(), kRecordBytes + (format == kSizedValue ? value : 0)));
    }
    return std::nullopt;
  }

  std::string_view bytes_, names_;
  const Elf64_Ehdr& header_;
  std::vector<Elf64_Shdr> sections_;
};

/// The number right behind `prefix`; nothing where there is none.
std::optional<uint64_t> numberAfter(std::string_view text, const std::string& prefix) {
  const size_t at = text.find(prefix);
  if (at == std::string_view::npos) return std::nullopt;
  uint64_t number = 0;
  const char* const begin = text.data() + at + prefix.size();
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), number);
  return error == std::errc{} ? std::optional(number) : std::nullopt;
}

}  // namespace

std::string cubinFault(std::string_view bytes, const DeviceKernel& kernel) {
  Elf64_Ehdr header;
  if (!bytes.starts_with(std::string_view(ELFMAG, SELFMAG))) return " does not start as a cubin does";
  if (bytes.size() < sizeof header) return cutAt("header", bytes.size());
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != kCudaMachine)
    return " does not start as a cubin does";
  return Cubin(bytes, header).fault(kernel);
}

std::string ptxFault(std::string_view bytes, const DeviceKernel& kernel) {
  if (bytes.empty() || bytes.find('\0') != bytes.size() - 1) return " is not one zero-terminated text of PTX";
  const std::string_view text = bytes.substr(0, bytes.size() - 1);
  const auto architecture = numberAfter(text, "\n.target sm_");
  if (!architecture) return " is not PTX: it has no line .target";
  if (*architecture != kernel.architecture) return otherArchitecture(*architecture, kernel.architecture);
  const std::string symbol(kernel.symbol);
  if (text.find(".entry " + symbol + "(") == std::string_view::npos) return noKernel(kernel);
  const auto found = numberAfter(text, " " + symbol + "_param_0[");
  if (std::string fault = parameterFault(kernel, found.value_or(0)); !fault.empty()) return fault;
  const size_t last = text.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos || text[last] != '}' ? " is cut: its last function does not end"
                                                             : std::string();
}

}  // namespace llmc::rt
