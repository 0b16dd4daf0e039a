// Environment of the fake driver; what cannot be understood ends the process with a text, since a test made a mistake.
#include "tests/emulator/fake_driver/settings.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <thread>

namespace llmc::emu {
namespace {

[[noreturn]] void refuse(const char* name, const std::string& text) {
  std::fprintf(stderr, "fake CUDA driver: $%s is '%s', which it does not understand\n", name, text.c_str());
  std::exit(64);
}

uint64_t number(const char* name, uint64_t absent) {
  const char* text = std::getenv(name);
  if (!text || !*text) return absent;
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 10);
  if (*end) refuse(name, text);
  return value;
}

void readFailures(DriverSettings& settings) {
  const char* text = std::getenv("LLMC_EMULATOR_FAIL");
  std::stringstream list(text ? text : "");
  for (std::string one; std::getline(list, one, ',');) {
    char name[64];
    unsigned long long call = 0;
    int code = 0;
    if (std::sscanf(one.c_str(), "%63[A-Za-z0-9_]:%llu:%d", name, &call, &code) != 3) refuse("LLMC_EMULATOR_FAIL", one);
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
    if (std::sscanf(sm, "%d.%d", &settings.major, &settings.minor) != 2) refuse("LLMC_EMULATOR_SM", sm);
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
