// Reader of cubins.
#include "tests/emulator/fake_driver/cubin.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace llmc::emu {
namespace {

constexpr uint8_t kMaxThreads = 0x05, kParamInfo = 0x17, kParamBytes = 0x19, kClusterSize = 0x3d, kSized = 4;

/// .nv.info.KERNEL: records of format, attribute and two bytes, which for kSized count the bytes that follow, else are
/// the value.
CubinKernel readInfo(const uint8_t* at, const uint8_t* end) {
  CubinKernel kernel;
  while (end - at >= 4) {
    const uint8_t format = at[0], attribute = at[1];
    uint16_t value;
    std::memcpy(&value, at + 2, 2);
    at += 4;
    if (format != kSized) {
      if (attribute == kParamBytes) kernel.paramBytes = value;
      continue;
    }
    uint32_t words[3] = {};
    std::memcpy(words, at, std::min<size_t>({value, sizeof words, (size_t)(end - at)}));
    if (attribute == kMaxThreads) kernel.maxThreads = words[0] * words[1] * words[2];
    if (attribute == kClusterSize) kernel.cluster = words[0] * words[1] * words[2];
    if (attribute == kParamInfo) {
      const uint32_t ordinal = words[1] & 0xffff, offset = words[1] >> 16, size = words[2] >> 18;
      if (kernel.params.size() <= ordinal) kernel.params.resize(ordinal + 1);
      kernel.params[ordinal] = {offset, size};
    }
    at += value;
  }
  return kernel;
}

}  // namespace

std::optional<Cubin> readCubin(const void* image) {
  constexpr uint16_t kCudaMachine = 190;
  const auto* base = static_cast<const uint8_t*>(image);
  if (std::memcmp(base, ELFMAG, SELFMAG) != 0) return std::nullopt;
  Elf64_Ehdr header;
  std::memcpy(&header, base, sizeof header);
  if (header.e_machine != kCudaMachine || header.e_shentsize != sizeof(Elf64_Shdr)) return std::nullopt;
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), base + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  if (header.e_shstrndx >= sections.size()) return std::nullopt;
  const char* names = reinterpret_cast<const char*>(base + sections[header.e_shstrndx].sh_offset);
  Cubin cubin;
  std::map<std::string, uint32_t> sharedBytes;
  cubin.architecture = (int)(header.e_flags >> 8 & 0xff);
  cubin.bytes = std::max(header.e_shoff + sections.size() * sizeof(Elf64_Shdr),
                         header.e_phoff + (uint64_t)header.e_phnum * header.e_phentsize);
  const std::string prefix = ".nv.info.", memory = ".nv.shared.";
  const uint64_t reserved = cubin.architecture >= 90 ? 1024 : 0;
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_NOBITS) cubin.bytes = std::max(cubin.bytes, section.sh_offset + section.sh_size);
    const std::string name = names + section.sh_name;
    if (name.starts_with(memory))
      sharedBytes[name.substr(memory.size())] = (uint32_t)(std::max(section.sh_size, reserved) - reserved);
    if (!name.starts_with(prefix)) continue;
    const uint8_t* at = base + section.sh_offset;
    cubin.kernels[name.substr(prefix.size())] = readInfo(at, at + section.sh_size);
  }
  for (auto& [name, kernel] : cubin.kernels) kernel.sharedBytes = sharedBytes[name];
  return cubin;
}

}  // namespace llmc::emu
