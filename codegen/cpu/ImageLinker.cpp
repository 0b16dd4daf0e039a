// ld.lld -shared, then checks that nothing would be left for a loader to do.
#include "codegen/cpu/ImageLinker.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

namespace llmc {

using Elf = llvm::object::ELFFile<llvm::object::ELF64LE>;

static llvm::Error failed(const llvm::Twine &what) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), what);
}

static llvm::Expected<std::string> findLinker() {
  if (auto path = llvm::sys::findProgramByName("ld.lld-22"))
    return *path;
  if (auto path = llvm::sys::findProgramByName("ld.lld", {"/usr/lib/llvm-22/bin"}))
    return *path;
  if (auto path = llvm::sys::findProgramByName("ld.lld"))
    return *path;
  return failed("cannot find ld.lld, which links the kernels; install the package lld-22");
}

/// Writes the objects below `folder` and returns the linker's arguments.
static llvm::Expected<std::vector<std::string>> writeObjects(const std::vector<llvm::SmallVector<char, 0>> &objects,
                                                             const std::string &folder) {
  std::vector<std::string> paths;
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string path = folder + "/" + std::to_string(i) + ".o";
    std::error_code error;
    llvm::raw_fd_ostream out(path, error);
    if (error)
      return failed("cannot write " + path + ": " + error.message());
    out.write(objects[i].data(), objects[i].size());
    out.close();
    if (out.has_error()) {
      std::string why = out.error().message();
      out.clear_error();
      return failed("cannot write " + path + ": " + why);
    }
    paths.push_back(path);
  }
  return paths;
}

static llvm::Error runLinker(const std::vector<std::string> &objects, const std::string &folder,
                             const std::string &output) {
  auto linker = findLinker();
  if (!linker)
    return linker.takeError();
  std::vector<std::string> arguments = {"ld.lld",          "-shared",     "-Bsymbolic", "--no-undefined",
                                        "--no-rosegment",  "-z",          "norelro",    "-z",
                                        "noseparate-code", "--build-id=none", "--hash-style=sysv", "-o", output};
  arguments.insert(arguments.end(), objects.begin(), objects.end());
  std::vector<llvm::StringRef> views(arguments.begin(), arguments.end());
  std::string log = folder + "/log", message;
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(), llvm::StringRef(log), llvm::StringRef(log)};
  int code = llvm::sys::ExecuteAndWait(*linker, views, std::nullopt, redirects, 0, 0, &message);
  if (code == 0)
    return llvm::Error::success();
  if (auto text = llvm::MemoryBuffer::getFile(log))
    message += (*text)->getBuffer();
  return failed("ld.lld refused the kernels: " + message);
}

/// Refuses everything that would need a loader: relocations, needed libraries, constructors, writable data.
static llvm::Error checkSections(const Elf &elf) {
  auto sections = elf.sections();
  if (!sections)
    return sections.takeError();
  for (const auto &section : *sections) {
    auto name = elf.getSectionName(section);
    if (!name)
      return name.takeError();
    bool relocations = section.sh_type == llvm::ELF::SHT_RELA || section.sh_type == llvm::ELF::SHT_REL;
    bool constructors = section.sh_type == llvm::ELF::SHT_INIT_ARRAY || section.sh_type == llvm::ELF::SHT_FINI_ARRAY;
    bool writable = (section.sh_flags & llvm::ELF::SHF_WRITE) && section.sh_type != llvm::ELF::SHT_DYNAMIC;
    if (section.sh_size != 0 && (relocations || constructors || writable))
      return failed("the kernel image has a section a loader would have to process: " + *name);
  }
  return llvm::Error::success();
}

static llvm::Error readSymbols(const Elf &elf, uint64_t limit, CodeImage &image) {
  auto sections = elf.sections();
  if (!sections)
    return sections.takeError();
  for (const auto &section : *sections) {
    if (section.sh_type != llvm::ELF::SHT_DYNSYM)
      continue;
    auto symbols = elf.symbols(&section);
    auto names = elf.getStringTableForSymtab(section);
    if (!symbols || !names)
      return failed("the kernel image has no readable symbol table");
    for (const auto &symbol : *symbols) {
      if (symbol.getType() != llvm::ELF::STT_FUNC)
        continue;
      auto name = symbol.getName(*names);
      if (!name)
        return name.takeError();
      if (symbol.st_shndx == llvm::ELF::SHN_UNDEF || symbol.st_value + symbol.st_size > limit)
        return failed("the kernel image has an undefined symbol: " + *name);
      image.symbols[*name] = {symbol.st_value, symbol.st_size};
    }
  }
  return llvm::Error::success();
}

static llvm::Expected<CodeImage> cutImage(llvm::StringRef file) {
  auto elf = Elf::create(file);
  if (!elf)
    return elf.takeError();
  if (llvm::Error error = checkSections(*elf))
    return error;
  auto segments = elf->program_headers();
  if (!segments)
    return segments.takeError();
  CodeImage image;
  for (const auto &segment : *segments) {
    if (segment.p_type != llvm::ELF::PT_LOAD || !(segment.p_flags & llvm::ELF::PF_X))
      continue;
    if (!image.bytes.empty() || segment.p_vaddr != 0)
      return failed("the kernel image is not one segment from address 0");
    image.bytes.assign(file.begin() + segment.p_offset, file.begin() + segment.p_offset + segment.p_filesz);
  }
  if (image.bytes.empty())
    return failed("the kernel image has no code");
  if (llvm::Error error = readSymbols(*elf, image.bytes.size(), image))
    return error;
  return image;
}

llvm::Expected<CodeImage> linkImage(const std::vector<llvm::SmallVector<char, 0>> &objects) {
  llvm::SmallString<128> folder;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory("llmc", folder))
    return failed("cannot make a temporary folder: " + error.message());
  std::string root(folder.str());
  llvm::scope_exit cleanup([&] { llvm::sys::fs::remove_directories(root); });
  auto paths = writeObjects(objects, root);
  if (!paths)
    return paths.takeError();
  std::string output = root + "/image.so";
  if (llvm::Error error = runLinker(*paths, root, output))
    return error;
  auto file = llvm::MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return failed("cannot read the linked image: " + file.getError().message());
  return cutImage((*file)->getBuffer());
}

} // namespace llmc
