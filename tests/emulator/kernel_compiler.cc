// Compiler and cache of translated kernels.
#include "tests/emulator/kernel_compiler.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

extern char** environ;

namespace llmc::emu {
namespace {

namespace fs = std::filesystem;

rt::Status failure(const char* code, const std::string& what, const std::string& hint = {}) {
  return rt::Status::error(rt::ErrorKind::kInternal, code, what, hint);
}

std::string readAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Two different 64-bit FNV-1a hashes: enough to name files of a cache that nobody attacks.
std::string digest(const std::string& text) {
  uint64_t first = 0xcbf29ce484222325ull, second = 0x84222325cbf29ce4ull;
  for (unsigned char c : text) {
    first = (first ^ c) * 0x100000001b3ull;
    second = (second ^ (c + 0x55u)) * 0x100000001b3ull;
  }
  char hex[40];
  std::snprintf(hex, sizeof hex, "%016llx%016llx", (unsigned long long)first, (unsigned long long)second);
  return hex;
}

std::vector<std::string> compilerArguments(bool checked) {
  std::vector<std::string> arguments = {LLMC_EMULATOR_CXX,
                                        "-std=c++20",
                                        "-O1",
                                        "-ffp-contract=off",
                                        "-fno-exceptions",
                                        "-fno-rtti",
                                        "-fno-math-errno",
                                        "-fPIC",
                                        "-shared",
                                        "-w",
                                        std::string("-DLLMC_EMULATOR_CHECKED=") + (checked ? "1" : "0"),
                                        "-I" LLMC_EMULATOR_SOURCE "/device"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    arguments.push_back("-march=x86-64-v3");
  return arguments;
}

/// The headers that translated kernels include: a change of them is another key.
const std::string& deviceHeaders() {
  static const std::string kText = [] {
    std::string text;
    for (const char* name : {"thread.h", "values.h", "arithmetic.h", "bitwise.h", "convert.h", "memory.h"})
      text += readAll(fs::path(LLMC_EMULATOR_SOURCE "/device") / name);
    return text;
  }();
  return kText;
}

fs::path cacheFolder() {
  const char* chosen = std::getenv("LLMC_EMULATOR_CACHE");
  return chosen && *chosen ? fs::path(chosen) : fs::path(LLMC_EMULATOR_BUILD) / "emulator-cache";
}

/// Runs a program without a shell; its output goes to `log`.
int runProgram(const std::vector<std::string>& arguments, const fs::path& log) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = 0;
  int status = posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (status != 0) return 127;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// Compiles under names of its own and renames: concurrent compilers of one key do not meet.
rt::Status compileTo(const fs::path& object, const std::string& source, bool checked) {
  static std::atomic<unsigned> counter{0};
  const std::string stem = object.stem().string() + "." + std::to_string(getpid()) + "." + std::to_string(counter++);
  const fs::path folder = object.parent_path();
  const fs::path text = folder / (stem + ".cc"), built = folder / (stem + ".so"), log = folder / (stem + ".log");
  std::ofstream(text, std::ios::binary) << source;
  std::vector<std::string> arguments = compilerArguments(checked);
  for (const std::string& more : {std::string("-o"), built.string(), text.string(), std::string("-lm")})
    arguments.push_back(more);
  int status = runProgram(arguments, log);
  std::error_code ignored;
  if (status != 0)
    return failure("EMU_COMPILE", "compiling a translated kernel failed: " + readAll(log).substr(0, 2000),
                   status == 127 ? "install " LLMC_EMULATOR_CXX : "the source is kept as " + text.string());
  fs::rename(built, object, ignored);
  fs::rename(text, folder / (object.stem().string() + ".cc"), ignored);
  fs::remove(log, ignored);
  return rt::Status::ok();
}

}  // namespace

rt::Result<CompiledKernels> compileKernels(const std::string& source, bool checked) {
  std::string key = deviceHeaders() + source;
  for (const std::string& argument : compilerArguments(checked)) key += argument + " ";
  const fs::path folder = cacheFolder();
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return failure("EMU_COMPILE", "cannot create " + folder.string() + ": " + error.message());
  const fs::path object = folder / (digest(key) + ".so");
  if (!fs::exists(object)) LLMC_TRY(compileTo(object, source, checked));
  CompiledKernels result;
  result.library = dlopen(object.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!result.library) return failure("EMU_LOAD", std::string("cannot load a translated kernel: ") + dlerror());
  result.kernels = static_cast<const Kernel*>(dlsym(result.library, "llmc_emulator_kernels"));
  if (!result.kernels) return failure("EMU_LOAD", object.string() + " has no table of kernels");
  result.globals = static_cast<const Global*>(dlsym(result.library, "llmc_emulator_globals"));
  return result;
}

}  // namespace llmc::emu
