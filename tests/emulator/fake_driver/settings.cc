// Environment of the fake driver; what cannot be understood ends the process with a text, since a test made a mistake.
#include "tests/emulator/fake_driver/settings.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <string_view>
#include <thread>

#include "runtime/device/cuda/driver_api.h"

namespace llmc::emu {
namespace {

/// At once: whoever called may hold the driver's lock, which what runs at a usual exit takes, too.
[[noreturn]] void refuse(const char* name, const std::string& text, const std::string& expected) {
  std::fprintf(stderr, "fake CUDA driver: $%s is '%s', expected %s\n", name, text.c_str(), expected.c_str());
  std::_Exit(64);
}

uint64_t number(const char* name, uint64_t absent) {
  const char* text = std::getenv(name);
  if (!text || !*text) return absent;
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 10);
  if (*end) refuse(name, text, "a whole number");
  return value;
}

#define LLMC_NAME(name, ...) #name,
constexpr const char* kEntries[] = {LLMC_CUDA_ENTRIES(LLMC_NAME)};
#undef LLMC_NAME

std::string entryNames() {
  std::string names;
  for (const char* name : kEntries) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

void readFailures(DriverSettings& settings) {
  const char* text = std::getenv("LLMC_EMULATOR_FAIL");
  std::stringstream list(text ? text : "");
  for (std::string one; std::getline(list, one, ',');) {
    char name[64];
    unsigned long long call = 0;
    int code = 0, end = 0;
    const bool whole = std::sscanf(one.c_str(), "%63[A-Za-z0-9_]:%llu:%d%n", name, &call, &code, &end) == 3 &&
                       static_cast<size_t>(end) == one.size();
    if (!whole || call == 0) refuse("LLMC_EMULATOR_FAIL", one, "function:n:code, n from 1");
    // One that is never called would never fail, and the test pass.
    if (std::ranges::find(kEntries, std::string_view(name)) == std::end(kEntries))
      refuse("LLMC_EMULATOR_FAIL", one, "one of " + entryNames());
    settings.failures[name].emplace_back(call, code);
  }
}

DriverSettings readAll() {
  DriverSettings settings;
  if (const char* folder = std::getenv("LLMC_EMULATOR_PTX")) settings.ptxFolder = folder;
  settings.memoryBytes = number("LLMC_EMULATOR_MEMORY", settings.memoryBytes);
  settings.threads = (unsigned)number("LLMC_EMULATOR_THREADS", std::max(1u, std::thread::hardware_concurrency()));
  settings.checked = number("LLMC_EMULATOR_CHECK", 0) != 0;
  settings.trace = number("LLMC_EMULATOR_TRACE", 0) != 0;
  settings.devices = (int)number("LLMC_EMULATOR_DEVICES", 1);
  settings.version = (int)number("LLMC_EMULATOR_VERSION", 13000);
  if (const char* sm = std::getenv("LLMC_EMULATOR_SM"); sm && *sm)
    if (std::sscanf(sm, "%d.%d", &settings.major, &settings.minor) != 2) refuse("LLMC_EMULATOR_SM", sm, "MAJOR.MINOR");
  readFailures(settings);
  return settings;
}

}  // namespace

static DriverSettings& current() {
  static DriverSettings now = readAll();
  return now;
}

const DriverSettings& settings() { return current(); }
void readSettings() { current() = readAll(); }

}  // namespace llmc::emu
