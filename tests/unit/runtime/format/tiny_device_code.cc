#include "tests/unit/runtime/format/tiny_device_code.h"

#include <elf.h>

#include <cstring>
#include <vector>

namespace llmc::rt::test {
namespace {

template <typename T>
std::string bytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

std::string tinyCubin(uint32_t architecture, std::span<const TinyKernel> kernels) {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64, header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_machine = 190, header.e_flags = architecture << 8;
  std::string body(sizeof header, '\0'), names(1, '\0');
  std::vector<Elf64_Shdr> sections(1);
  const auto add = [&](const std::string& name, uint32_t type, const std::string& content) {
    Elf64_Shdr& section = sections.emplace_back();
    section.sh_name = static_cast<uint32_t>(names.size());
    section.sh_type = type, section.sh_offset = body.size(), section.sh_size = content.size();
    names += name + '\0';
    body += content;
  };
  // A record with a payload of four bytes, then the size of the parameters.
  for (const TinyKernel& kernel : kernels)
    add(".nv.info." + kernel.symbol, SHT_PROGBITS,
        std::string("\x04\x05\x04\0\0\0\0\0\x03\x19", 10) + bytesOf(static_cast<uint16_t>(8 * kernel.words)));
  names += ".shstrtab";
  names += '\0';
  Elf64_Shdr& last = sections.emplace_back();
  last.sh_name = static_cast<uint32_t>(names.size() - 10);
  last.sh_type = SHT_STRTAB, last.sh_offset = body.size(), last.sh_size = names.size();
  body += names;
  header.e_shoff = body.size(), header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<uint16_t>(sections.size()), header.e_shstrndx = header.e_shnum - 1;
  for (const Elf64_Shdr& section : sections) body += bytesOf(section);
  return body.replace(0, sizeof header, bytesOf(header));
}

std::string tinyPtx(uint32_t architecture, std::span<const TinyKernel> kernels) {
  std::string text = ".version 9.0\n.target sm_" + std::to_string(architecture) + "\n.address_size 64\n";
  for (const TinyKernel& kernel : kernels)
    text += ".visible .entry " + kernel.symbol + "(\n\t.param .align 8 .b8 " + kernel.symbol + "_param_0[" +
            std::to_string(8 * kernel.words) + "]\n)\n{\n\tret;\n}\n";
  return text + '\0';
}

}  // namespace llmc::rt::test
