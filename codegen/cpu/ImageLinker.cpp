// ld.lld -shared, then checks that nothing would be left for a loader to do.
#include "codegen/cpu/ImageLinker.h"

#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

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

namespace {

/// A file without a name: however this process ends, nothing of it stays behind. ld.lld reaches it through /proc.
class MemoryFile {
public:
  static llvm::Expected<MemoryFile> create(const char *name) {
    int fd = ::memfd_create(name, 0); // inherited by ld.lld on purpose
    if (fd < 0)
      return failed("cannot make a memory file: " + llvm::sys::StrError());
    return MemoryFile(fd);
  }
  MemoryFile(MemoryFile &&other) : fd_(std::exchange(other.fd_, -1)) {}
  ~MemoryFile() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  llvm::Error write(llvm::ArrayRef<char> bytes) const {
    llvm::raw_fd_ostream out(fd_, /*shouldClose=*/false);
    out.write(bytes.data(), bytes.size());
    out.flush();
    std::error_code error = out.error();
    out.clear_error();
    return error ? failed("cannot write a kernel's object: " + error.message()) : llvm::Error::success();
  }

private:
  explicit MemoryFile(int fd) : fd_(fd) {}
  int fd_;
};

} // namespace

static llvm::Expected<std::vector<MemoryFile>> writeObjects(const std::vector<llvm::SmallVector<char, 0>> &objects) {
  std::vector<MemoryFile> files;
  for (const auto &object : objects) {
    auto file = MemoryFile::create("kernel.o");
    if (!file)
      return file.takeError();
    if (llvm::Error error = file->write(object))
      return error;
    files.push_back(std::move(*file));
  }
  return files;
}

/// Links `objects` into `output`.
static llvm::Error runLinker(const std::vector<MemoryFile> &objects, const MemoryFile &output) {
  auto linker = findLinker();
  if (!linker)
    return linker.takeError();
  auto log = MemoryFile::create("ld.log");
  if (!log)
    return log.takeError();
  // "-o -": the standard output, which is `output`; a name in /proc could not be replaced.
  std::vector<std::string> arguments = {
      "ld.lld",  "-shared", "-Bsymbolic",      "--no-undefined",  "--no-rosegment",    "-z",
      "norelro", "-z",      "noseparate-code", "--build-id=none", "--hash-style=sysv", "-o",
      "-"};
  for (const MemoryFile &object : objects)
    arguments.push_back(object.path());
  std::vector<llvm::StringRef> views(arguments.begin(), arguments.end());
  std::string message, outputPath = output.path(), logPath = log->path();
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(), llvm::StringRef(outputPath),
                                                llvm::StringRef(logPath)};
  int code = llvm::sys::ExecuteAndWait(*linker, views, std::nullopt, redirects, 0, 0, &message);
  if (code == 0)
    return llvm::Error::success();
  if (auto text = llvm::MemoryBuffer::getFile(logPath))
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
  auto files = writeObjects(objects);
  if (!files)
    return files.takeError();
  auto output = MemoryFile::create("image.so");
  if (!output)
    return output.takeError();
  if (llvm::Error error = runLinker(*files, *output))
    return error;
  auto file = llvm::MemoryBuffer::getFile(output->path(), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return failed("cannot read the linked image: " + file.getError().message());
  return cutImage((*file)->getBuffer());
}

} // namespace llmc
