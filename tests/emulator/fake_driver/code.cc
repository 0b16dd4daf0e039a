// Finds the PTX of images and checks what a driver checks when it loads them.
#include "tests/emulator/fake_driver/code.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/emulator/device/thread.h"
#include "tests/emulator/fake_driver/settings.h"

namespace llmc::emu {
namespace {

namespace fs = std::filesystem;

std::string readAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The text of NAME.ptx whose neighbour NAME.cubin has equal bytes; empty if there is none.
std::string ptxOf(const void* image, uint64_t bytes) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(settings().ptxFolder, error)) {
    if (entry.path().extension() != ".cubin") continue;
    const uint64_t size = entry.file_size(error);
    // A file may be padded behind the image.
    if (size < bytes || size > bytes + 4096) continue;
    if (std::memcmp(readAll(entry.path()).data(), image, bytes) != 0) continue;
    fs::path text = entry.path();
    return readAll(text.replace_extension(".ptx"));
  }
  return {};
}

/// ".target sm_90a": 90 and whether the architecture-specific features are used.
bool targetOf(const std::string& ptx, int* number, bool* specific) {
  const size_t at = ptx.find(".target sm_");
  if (at == std::string::npos) return false;
  char* end = nullptr;
  *number = (int)std::strtol(ptx.c_str() + at + 11, &end, 10);
  *specific = *end == 'a' || *end == 'f';
  return true;
}

/// What a launch may have without asking.
std::unique_ptr<DriverFunction> withLimit(std::unique_ptr<DriverFunction> function) {
  function->dynamicLimit -= std::min(function->dynamicLimit, function->facts.sharedBytes);
  return function;
}

}  // namespace

int CodeModule::load(const void* image, std::shared_ptr<CodeModule>* module, std::string* why) {
  auto loaded = std::make_shared<CodeModule>();
  const int device = settings().major * 10 + settings().minor;
  if (auto cubin = readCubin(image)) {
    // Cubins run on their own architecture and later ones of the same major number.
    if (cubin->architecture / 10 != settings().major || cubin->architecture > device) {
      *why = "a cubin for sm_" + std::to_string(cubin->architecture) + " on a device of sm_" + std::to_string(device);
      return kNoBinary;
    }
    loaded->isCubin_ = true;
    loaded->ptx_ = ptxOf(image, cubin->bytes);
    loaded->cubin_ = std::move(*cubin);
    if (loaded->ptx_.empty()) {
      *why = "no .cubin in $LLMC_EMULATOR_PTX (" + settings().ptxFolder + ") has the bytes of this image";
      return kInvalidImage;
    }
  } else {
    loaded->ptx_ = static_cast<const char*>(image);
  }
  int number = 0;
  bool specific = false;
  if (!targetOf(loaded->ptx_, &number, &specific)) {
    *why = "the image is neither a cubin nor PTX";
    return kInvalidImage;
  }
  if (specific ? number != device : number > device) {
    *why = "code for sm_" + std::to_string(number) + (specific ? "a" : "") + " on a device of sm_" +
           std::to_string(device);
    return loaded->isCubin_ ? kNoBinary : kInvalidPtx;
  }
  *module = std::move(loaded);
  return kSuccess;
}

std::unique_ptr<DriverFunction> CodeModule::function(const std::shared_ptr<CodeModule>& self,
                                                     const std::string& name) const {
  auto function = std::make_unique<DriverFunction>();
  function->module = self;
  function->name = name;
  if (isCubin_) {
    auto found = cubin_.kernels.find(name);
    if (found == cubin_.kernels.end()) return nullptr;
    function->facts = found->second;
    return withLimit(std::move(function));
  }
  auto translation = translatePtx(ptx_);
  if (!translation) return nullptr;
  for (const Entry& entry : translation->entries) {
    if (entry.name != name) continue;
    function->facts = {entry.params, entry.paramBytes, entry.maxThreads, entry.cluster, entry.sharedEnd - kSharedBase};
    return withLimit(std::move(function));
  }
  return nullptr;
}

rt::Result<std::shared_ptr<PtxProgram>> CodeModule::program() {
  std::lock_guard lock(mutex_);
  if (!program_) {
    auto loaded = PtxProgram::load(ptx_);
    if (!loaded) return loaded.takeStatus();
    program_ = loaded.take();
  }
  return program_;
}

}  // namespace llmc::emu
