// Addresses become (buffer, offset): those of the words, and those that the batch holds.
#include "tests/emulator/kernel_record.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <optional>

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace llmc::emu {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// "ProductStreamTest.Epilogues-3", with what file names may hold.
std::string nextName() {
  static std::atomic<int> number{0};
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = test ? std::string(test->test_suite_name()) + "." + test->name() : "case";
  for (char& c : name)
    if (!std::isalnum((unsigned char)c) && c != '.') c = '_';
  return name + "-" + std::to_string(number++);
}

std::string bytesOf(const DeviceBuffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data.get()), buffer.bytes};
}

bool writeFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  return (bool)file.flush();
}

/// The buffer that holds `address`, if there is one, and where in it.
std::optional<std::pair<int64_t, int64_t>> placeOf(const std::vector<DeviceBuffer>& buffers, uint64_t address) {
  for (size_t i = 0; i < buffers.size(); ++i) {
    const auto first = reinterpret_cast<uint64_t>(buffers[i].data.get());
    if (address >= first && address < first + buffers[i].bytes)
      return std::pair((int64_t)i, (int64_t)(address - first));
  }
  return std::nullopt;
}

}  // namespace

std::string recordFolder() { return variable("LLMC_KERNEL_RECORD"); }
std::string recordArch() { return variable("LLMC_KERNEL_ARCH"); }

KernelRecord::KernelRecord(const KernelInputs& inputs, std::vector<uint64_t> words, Dim3 grid)
    : inputs_(inputs), words_(std::move(words)), grid_(grid) {
  for (const DeviceBuffer& buffer : inputs.buffers()) before_.push_back(bytesOf(buffer));
}

rt::Status KernelRecord::write(const std::string& folder, const KernelCase& test, const KernelText& text,
                               const CompiledText& compiled) const {
  using llvm::json::Array;
  using llvm::json::Object;
  const std::vector<DeviceBuffer>& buffers = inputs_.buffers();
  std::string bytes;
  Array parts, words, pointers, written;
  for (size_t i = 0; i < buffers.size(); ++i) {
    parts.push_back(
        Object{{"name", buffers[i].name}, {"at", (int64_t)bytes.size()}, {"bytes", (int64_t)buffers[i].bytes}});
    bytes += before_[i];
    for (uint64_t at = 0; buffers[i].name == "batch" && at + 8 <= before_[i].size(); at += 8) {
      uint64_t word;
      std::memcpy(&word, before_[i].data() + at, 8);
      if (auto place = placeOf(buffers, word))
        pointers.push_back(Array{(int64_t)i, (int64_t)at, place->first, place->second});
    }
  }
  for (uint64_t word : words_) {
    auto place = placeOf(buffers, word);
    if (!place)
      return rt::Status::error(rt::ErrorKind::kInternal, "EMU_RECORD", "a word of a launch points to no buffer");
    words.push_back(Array{place->first, place->second});
  }
  for (const KernelInputs::Written& one : inputs_.written()) {
    written.push_back(Object{{"buffer", (int64_t)one.buffer},
                             {"element", one.element},
                             {"stride", (int64_t)one.stride},
                             {"at", (int64_t)bytes.size()}});
    bytes += bytesOf(buffers[one.buffer]);
  }
  Object record{{"symbol", text.symbol},       {"threads", text.threads},
                {"shared", text.sharedBytes},  {"grid", Array{grid_.x, grid_.y, grid_.z}},
                {"words", std::move(words)},   {"pointers", std::move(pointers)},
                {"buffers", std::move(parts)}, {"written", std::move(written)},
                {"tolerance", test.tolerance}};
  std::string json;
  llvm::raw_string_ostream(json) << llvm::json::Value(std::move(record));
  const std::string path = folder + "/" + nextName();
  if (!writeFile(path + ".json", json) || !writeFile(path + ".bin", bytes) ||
      !writeFile(path + ".cubin", compiled.cubin) || !writeFile(path + ".ptx", compiled.ptx))
    return rt::Status::error(rt::ErrorKind::kIo, "EMU_RECORD", "cannot write " + path);
  return rt::Status::ok();
}

}  // namespace llmc::emu
