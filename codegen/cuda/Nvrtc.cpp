// Loads libnvrtc by dlopen with our own declarations, compiles, and checks what the cubin says against the launch.
#include "codegen/cuda/Nvrtc.h"

#include "codegen/cuda/CompileCache.h"
#include "codegen/cuda/CubinInfo.h"
#include "codegen/cuda/DeviceLibrary.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <link.h>
#include <vector>

namespace llmc {

using rt::ErrorKind;
using rt::Result;
using rt::Status;

static constexpr const char *kInstall = "pip install \"nvidia-cuda-nvrtc==13.0.*\", or name the library in $LLMC_NVRTC";
static constexpr const char *kLibraryName = "libnvrtc.so.13";
static constexpr int kMajor = 13, kMinor = 0; // what rt::cuda::kDriverBranch takes

// nvrtc.h of CUDA 13: nvrtcResult is an int-sized enum with success 0, nvrtcProgram a pointer.
using Program = struct ProgramTag *;
using Code = int;

struct Nvrtc::Library {
  void *handle = nullptr, *builtins = nullptr;
  Code (*version)(int *, int *) = nullptr;
  Code (*create)(Program *, const char *text, const char *name, int, const char *const *,
                 const char *const *) = nullptr;
  Code (*compile)(Program, int, const char *const *) = nullptr;
  Code (*destroy)(Program *) = nullptr;
  Code (*logSize)(Program, size_t *) = nullptr;
  Code (*log)(Program, char *) = nullptr;
  Code (*cubinSize)(Program, size_t *) = nullptr;
  Code (*cubin)(Program, char *) = nullptr;
  Code (*ptxSize)(Program, size_t *) = nullptr;
  Code (*ptx)(Program, char *) = nullptr;
  const char *(*errorText)(Code) = nullptr;
  std::string versionText, identity;
  CompileCache cache{""};

  ~Library() {
    // The library stays mapped: it keeps state of threads that outlive this object.
  }
};

static Status missing(const std::string &why) {
  return Status::error(ErrorKind::kMissing, "CU_NVRTC_MISSING", "expected NVIDIA's runtime compiler, " + why, kInstall);
}

template <typename F> static bool resolve(void *handle, const char *name, F &function) {
  function = reinterpret_cast<F>(dlsym(handle, name));
  return function != nullptr;
}

Nvrtc::Nvrtc(std::unique_ptr<Library> library) : library_(std::move(library)) {}
Nvrtc::~Nvrtc() = default;

const std::string &Nvrtc::version() const { return library_->versionText; }
const std::string &Nvrtc::identity() const { return library_->identity; }

/// Where the loader found a library that was asked for by name.
static std::string fileOf(void *handle) {
  link_map *map = nullptr;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map ? map->l_name : "";
}

Result<std::unique_ptr<Nvrtc>> Nvrtc::loadFrom(const std::string &place) {
  namespace fs = std::filesystem;
  auto library = std::make_unique<Library>();
  std::error_code error;
  const fs::path file = fs::is_directory(place, error) ? fs::path(place) / kLibraryName : fs::path(place);
  // NVRTC opens its builtins by name, which finds them beside it only when they are already loaded.
  if (file.has_parent_path())
    for (const auto &entry : fs::directory_iterator(file.parent_path(), error))
      if (llvm::StringRef(entry.path().filename().string()).starts_with("libnvrtc-builtins.so."))
        library->builtins = dlopen(entry.path().c_str(), RTLD_NOW | RTLD_LOCAL);
  library->handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library->handle) {
    const char *text = dlerror();
    return missing(std::string("found none: ") + (text ? text : file.c_str()));
  }
  void *h = library->handle;
  Library &l = *library;
  if (!resolve(h, "nvrtcVersion", l.version) || !resolve(h, "nvrtcCreateProgram", l.create) ||
      !resolve(h, "nvrtcCompileProgram", l.compile) || !resolve(h, "nvrtcDestroyProgram", l.destroy) ||
      !resolve(h, "nvrtcGetProgramLogSize", l.logSize) || !resolve(h, "nvrtcGetProgramLog", l.log) ||
      !resolve(h, "nvrtcGetCUBINSize", l.cubinSize) || !resolve(h, "nvrtcGetCUBIN", l.cubin) ||
      !resolve(h, "nvrtcGetPTXSize", l.ptxSize) || !resolve(h, "nvrtcGetPTX", l.ptx) ||
      !resolve(h, "nvrtcGetErrorString", l.errorText))
    return missing("found a library that is not NVRTC: " + file.string());
  int major = 0, minor = 0;
  l.version(&major, &minor);
  l.versionText = std::to_string(major) + "." + std::to_string(minor);
  // A later release writes PTX that the loader of a 580 driver does not take, and the engine says that it does.
  if (major != kMajor || minor != kMinor)
    return missing("version " + std::to_string(kMajor) + "." + std::to_string(kMinor) + ", found " + l.versionText +
                   " in " + file.string());
  l.identity = l.versionText + ", " + std::to_string(fs::file_size(fileOf(h), error)) + " bytes";
  l.cache = CompileCache::ofUser();
  return std::unique_ptr<Nvrtc>(new Nvrtc(std::move(library)));
}

/// Where the wheel of nvidia-cuda-nvrtc puts its libraries below a virtual environment.
static void addWheelFolders(const std::filesystem::path &environment, std::vector<std::string> &places) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (const auto &python : fs::directory_iterator(environment / "lib", error)) {
    fs::path folder = python.path() / "site-packages/nvidia/cu13/lib";
    if (fs::exists(folder / kLibraryName, error))
      places.push_back(folder.string());
  }
}

Result<std::unique_ptr<Nvrtc>> Nvrtc::find() {
  if (const char *place = std::getenv("LLMC_NVRTC"); place && *place)
    return Nvrtc::loadFrom(place);
  std::vector<std::string> places{kLibraryName, "/usr/local/cuda/lib64"};
  if (const char *environment = std::getenv("VIRTUAL_ENV"); environment && *environment)
    addWheelFolders(environment, places);
  addWheelFolders(".venv", places);
  std::string other;
  for (const std::string &place : places) {
    auto loaded = Nvrtc::loadFrom(place);
    if (loaded)
      return loaded;
    if (other.empty() && loaded.status().message().find("version") != std::string::npos)
      other = "; " + loaded.status().message();
  }
  return missing("found none at " + llvm::join(places, ", ") + " or in site-packages of $VIRTUAL_ENV and .venv" +
                 other);
}

Result<const Nvrtc *> Nvrtc::load() {
  // Never destroyed: threads may still compile while the process ends.
  static Result<std::unique_ptr<Nvrtc>> &loaded = *new Result<std::unique_ptr<Nvrtc>>(find());
  if (!loaded)
    return loaded.status();
  return static_cast<const Nvrtc *>(loaded->get());
}

/// The one option list of every build: options are recorded in the cubin, so another list gives other bytes.
static std::vector<std::string> optionsFor(const Arch &arch) {
  return {"--gpu-architecture=" + arch.name.str(),
          "--std=c++17",
          "--fmad=true",
          "--ftz=false",
          "--prec-div=true",
          "--prec-sqrt=true"};
}

static std::string sourceOf(const KernelText &kernel) {
  std::string text;
  for (const DeviceHeader &header : cudaDeviceLibrary())
    text += std::string("#include \"") + header.name + "\"\n";
  return text + "#line 1 \"" + kernel.symbol + ".cu\"\n" + kernel.text;
}

namespace {
struct Compiled {
  Code code = 0;
  std::string log, cubin, ptx;
};
} // namespace

template <typename Size, typename Get> static std::string fetch(Program program, Size size, Get get) {
  size_t bytes = 0;
  std::string text;
  if (size(program, &bytes) == 0 && bytes > 0) {
    text.resize(bytes);
    get(program, text.data());
  }
  return text;
}

template <typename Library>
static Compiled compileSource(const Library &l, const KernelText &kernel, const Arch &arch) {
  std::string source = sourceOf(kernel), name = kernel.symbol + ".cu";
  std::vector<const char *> texts, names, options;
  for (const DeviceHeader &header : cudaDeviceLibrary()) {
    texts.push_back(header.text);
    names.push_back(header.name);
  }
  std::vector<std::string> list = optionsFor(arch);
  for (const std::string &option : list)
    options.push_back(option.c_str());
  Compiled result;
  Program program = nullptr;
  result.code =
      l.create(&program, source.c_str(), name.c_str(), static_cast<int>(texts.size()), texts.data(), names.data());
  if (result.code != 0)
    return result;
  result.code = l.compile(program, static_cast<int>(options.size()), options.data());
  result.log = fetch(program, l.logSize, l.log);
  while (!result.log.empty() && (result.log.back() == '\0' || result.log.back() == '\n'))
    result.log.pop_back();
  if (result.code == 0) {
    result.cubin = fetch(program, l.cubinSize, l.cubin);
    result.ptx = fetch(program, l.ptxSize, l.ptx);
    while (!result.ptx.empty() && result.ptx.back() == '\0')
      result.ptx.pop_back();
  }
  l.destroy(&program);
  return result;
}

static std::string cacheKey(const std::string &identity, const KernelText &kernel, const Arch &arch) {
  std::vector<std::string> options = optionsFor(arch);
  llvm::SmallVector<llvm::StringRef> parts{identity, kernel.symbol, kernel.text};
  for (const DeviceHeader &header : cudaDeviceLibrary())
    parts.push_back(header.text);
  for (const std::string &option : options)
    parts.push_back(option);
  return CompileCache::key(parts);
}

/// What the launch needs, against what the cubin has.
static Status check(const KernelText &kernel, const Arch &arch, const CompiledText &compiled) {
  auto error = [&](const char *code, const std::string &message, const char *hint) {
    return Status::error(ErrorKind::kInternal, code,
                         "kernel " + kernel.symbol + " for " + arch.name.str() + ": " + message, hint);
  };
  if (compiled.parameterBytes != 8 * kernel.words)
    return error("CU_PARAMS",
                 "expected " + std::to_string(8 * kernel.words) + " bytes of arguments, found " +
                     std::to_string(compiled.parameterBytes) + " in the cubin",
                 "the launch plan and the kernel's text disagree");
  if (compiled.cluster != kernel.cluster)
    return error("CU_CLUSTER",
                 "expected clusters of " + std::to_string(kernel.cluster) + " blocks, found " +
                     std::to_string(compiled.cluster) + " in the cubin",
                 "the launch plan and the kernel's text disagree");
  if (const int64_t pool = compiled.registers * kernel.threads; pool < kernel.dealtRegisters)
    return error("CU_REGISTERS",
                 "its warpgroups deal out " + std::to_string(kernel.dealtRegisters) + " registers, a block has " +
                     std::to_string(pool) + " (" + std::to_string(compiled.registers) + " a thread): it would hang",
                 "deal out no more than the launch bounds leave");
  if (compiled.spillBytes > 0)
    return error("CU_SPILL",
                 "its threads need " + std::to_string(compiled.spillBytes) + " bytes of stack with " +
                     std::to_string(compiled.registers) + " registers, expected none",
                 "give it smaller tiles, or unroll loops that index arrays");
  const int64_t shared = compiled.sharedBytes + kernel.sharedBytes;
  if (shared > arch.sharedBytesMax)
    return error("CU_SHARED",
                 "a block needs " + std::to_string(shared) + " bytes of shared memory, expected at most " +
                     std::to_string(arch.sharedBytesMax),
                 "give it smaller tiles");
  return Status::ok();
}

Result<CompiledText> Nvrtc::compile(const KernelText &kernel, const Arch &arch) const {
  CompiledText compiled;
  const std::string key = cacheKey(identity(), kernel, arch);
  if (auto found = library_->cache.find(key)) {
    compiled.cubin = std::move(found->first);
    compiled.ptx = std::move(found->second);
  } else {
    Compiled made = compileSource(*library_, kernel, arch);
    if (made.code != 0 || made.cubin.empty())
      return Status::error(ErrorKind::kInternal, "CU_COMPILE",
                           "NVRTC " + version() + " did not compile kernel " + kernel.symbol + " for " +
                               arch.name.str() + ": " + library_->errorText(made.code) + "\n" + made.log);
    compiled.cubin = std::move(made.cubin);
    compiled.ptx = std::move(made.ptx);
    // Products of warpgroups one after another, registers not shared out: ptxas gave up what the kernel is made for.
    if (made.log.find("Potential Performance Loss") != std::string::npos)
      return Status::error(ErrorKind::kInternal, "CU_SLOW",
                           "kernel " + kernel.symbol + " for " + arch.name.str() +
                               " compiles to less than its text says: " + made.log,
                           "loops that wait belong into one asm statement, and launch bounds name the blocks");
    library_->cache.store(key, compiled.cubin, compiled.ptx);
  }
  Result<CubinInfo> info = readCubin(compiled.cubin, kernel.symbol);
  if (!info)
    return info.takeStatus();
  compiled.registers = info->registers;
  compiled.spillBytes = info->frameBytes;
  compiled.sharedBytes = info->sharedBytes;
  compiled.parameterBytes = info->parameterBytes;
  compiled.cluster = info->cluster;
  LLMC_TRY(check(kernel, arch, compiled));
  return compiled;
}

} // namespace llmc
