// LLD's -shared, then checks that nothing would be left for a loader to do.
#include "codegen/cpu/ImageLinker.h"

#include "lld/Common/Driver.h"
#include "runtime/base/shortage.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <utility>

LLD_HAS_DRIVER(elf)

namespace llmc {

using Elf = llvm::object::ELFFile<llvm::object::ELF64LE>;

static llvm::Error failed(const llvm::Twine &what) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), what);
}

/// What the system does not give: errno, so that the caller can tell it from a fault of ours.
static llvm::Error refused(const llvm::Twine &what) {
  return llvm::createStringError(std::error_code(errno, std::generic_category()), what + ": " + llvm::sys::StrError());
}

namespace {

/// A file without a name: however this process ends, nothing of it stays behind. LLD reaches it through /proc.
class MemoryFile {
public:
  static llvm::Expected<MemoryFile> create(const char *name) {
    int fd = ::memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
      return refused("cannot make a memory file");
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

/// What is written to path() as bytes. LLD makes a file of its output beside the place it is named for, and moves it
/// there, unless that place is a pipe: then it comes in one piece and leaves no file behind.
class Pipe {
public:
  static llvm::Expected<std::unique_ptr<Pipe>> create() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return refused("cannot make a pipe");
    std::unique_ptr<Pipe> pipe(new Pipe(ends[0], ends[1]));
    auto readers = rt::startThreads(1, [self = pipe.get()] { self->read(); });
    if (readers.empty()) {
      errno = EAGAIN;
      return refused("cannot start a thread that takes the image");
    }
    pipe->reader_ = std::move(readers.front());
    return pipe;
  }
  ~Pipe() { static_cast<void>(take()); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(writeEnd_); }

  /// Everything that was written; to be called once, after the last write.
  llvm::SmallVector<char, 0> take() {
    if (writeEnd_ >= 0) {
      ::close(std::exchange(writeEnd_, -1));
      if (reader_.joinable())
        reader_.join();
      ::close(readEnd_);
    }
    return std::move(bytes_);
  }

private:
  Pipe(int readEnd, int writeEnd) : readEnd_(readEnd), writeEnd_(writeEnd) {}

  void read() {
    for (;;) {
      size_t had = bytes_.size();
      bytes_.resize_for_overwrite(had + (size_t{1} << 16));
      ssize_t got = ::read(readEnd_, bytes_.data() + had, size_t{1} << 16);
      bytes_.truncate(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
      if (got == 0 || (got < 0 && errno != EINTR))
        return;
    }
  }

  int readEnd_, writeEnd_;
  llvm::SmallVector<char, 0> bytes_;
  std::thread reader_;
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

/// Links the files `objects`; LLD in this process, one at a time as it keeps its state in globals. As a program it
/// takes 50 ms to start, a link 2.
static llvm::Error runLinker(const std::vector<MemoryFile> &objects, const std::string &output) {
  std::vector<std::string> arguments = {
      "ld.lld", "-shared",         "-Bsymbolic",      "--no-undefined",    "--no-rosegment", "-z", "norelro",
      "-z",     "noseparate-code", "--build-id=none", "--hash-style=sysv", "--threads=1",    "-o", output};
  for (const MemoryFile &object : objects)
    arguments.push_back(object.path());
  std::vector<const char *> views;
  for (const std::string &argument : arguments)
    views.push_back(argument.c_str());

  static std::mutex mutex;
  std::lock_guard lock(mutex);
  std::string messages;
  llvm::raw_string_ostream log(messages);
  // Without it, what LLD calls fatal would end this process.
  llvm::CrashRecoveryContext::Enable();
  lld::Result result = lld::lldMain(views, log, log, {{lld::Gnu, &lld::elf::link}});
  llvm::CrashRecoveryContext::Disable();
  if (result.retCode == 0 && result.canRunAgain)
    return llvm::Error::success();
  for (int number : {EMFILE, ENFILE, ENOMEM})
    if (llvm::StringRef(messages).contains(llvm::sys::StrError(number))) {
      errno = number;
      return refused("LLD had to give up");
    }
  return failed("LLD refused the kernels: " + messages);
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
  auto output = Pipe::create();
  if (!output)
    return output.takeError();
  if (llvm::Error error = runLinker(*files, (*output)->path()))
    return error;
  llvm::SmallVector<char, 0> file = (*output)->take();
  return cutImage(llvm::StringRef(file.data(), file.size()));
}

} // namespace llmc
