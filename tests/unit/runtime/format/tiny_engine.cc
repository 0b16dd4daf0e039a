// A second implementation of the file's layout: agreement with the reader is a test in itself.
#include "tests/unit/runtime/format/tiny_engine.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "runtime/format/cuda_abi.h"
#include "runtime/format/digest.h"
#include "runtime/format/kernel_abi.h"
#include "tests/unit/runtime/format/tiny_device_code.h"

namespace llmc::rt::test {
namespace {

template <typename T>
std::unique_ptr<T> make(const std::function<void(T&)>& fill) {
  auto made = std::make_unique<T>();
  fill(*made);
  return made;
}

std::unique_ptr<fb::ArgT> arg(fb::ArgKind kind, uint32_t index, uint64_t offset = 0) {
  return make<fb::ArgT>([&](fb::ArgT& a) { a.kind = kind, a.index = index, a.offset = offset; });
}

std::unique_ptr<fb::WeightT> weight(const char* name, uint64_t offset, uint64_t rows, uint64_t cols) {
  return make<fb::WeightT>([&](fb::WeightT& w) {
    w.name = name, w.section = kTinyWeights, w.offset = offset, w.size = rows * cols * 4;
    w.rows = rows, w.cols = cols, w.layout = "f32n16";
  });
}

std::unique_ptr<fb::VariantT> variant(uint32_t mMax, uint64_t offset) {
  return make<fb::VariantT>([&](fb::VariantT& v) {
    v.m_max = mMax;
    for (int level = 0; level < 2; ++level)
      v.code.push_back(make<fb::CodeRangeT>([&](fb::CodeRangeT& c) { c.offset = offset, c.size = 32; }));
  });
}

std::unique_ptr<fb::SlotT> slot(fb::Unit unit, uint64_t offset, uint64_t bytes) {
  return make<fb::SlotT>([&](fb::SlotT& s) { s.unit = unit, s.offset = offset, s.bytes = bytes; });
}

std::unique_ptr<fb::LaunchT> launch(uint32_t kernel, int32_t layer) {
  return make<fb::LaunchT>([&](fb::LaunchT& l) {
    l.kernel = kernel, l.layer = layer;
    if (kernel == 0) {
      l.args.push_back(arg(fb::ArgKind::Batch, 0));
      l.args.push_back(arg(fb::ArgKind::Weight, 0));
      l.args.push_back(arg(fb::ArgKind::Slot, 0));
    } else {
      l.args.push_back(arg(fb::ArgKind::Slot, 0, 64));
      l.args.push_back(arg(fb::ArgKind::Kv, 0, 4096));
      l.args.push_back(arg(fb::ArgKind::Weight, 1));
      l.args.push_back(arg(fb::ArgKind::Slot, 1));
    }
  });
}

std::unique_ptr<fb::ProgramT> program(const char* name, uint32_t tMax) {
  return make<fb::ProgramT>([&](fb::ProgramT& p) {
    p.name = name, p.t_max = tMax, p.logits_slot = 1;
    p.slots.push_back(slot(fb::Unit::Token, 0, 192));
    p.slots.push_back(slot(fb::Unit::Row, 0, 192));
    p.slots.push_back(slot(fb::Unit::Worker, 64, 64));
    p.region_bytes = {0, 192, 192, 128};
    for (int phase = 0; phase < 2; ++phase)
      p.phases.push_back(
          make<fb::PhaseT>([&](fb::PhaseT& f) { f.launches.push_back(launch(phase, phase == 0 ? -1 : 1)); }));
  });
}

}  // namespace

fb::EngineT tinyPlan() {
  fb::EngineT plan;
  plan.abi_version = kKernelAbiVersion;
  plan.model = make<fb::ModelT>([](fb::ModelT& m) {
    m.family = "tiny", m.vocab_size = 32, m.hidden_size = 64, m.layers = 2, m.heads = 4, m.kv_heads = 2,
    m.head_dim = 32;
    m.max_positions = 128, m.bos_id = 1, m.eos_ids = {2, 31};
  });
  plan.kv = make<fb::KvSpecT>([](fb::KvSpecT& kv) {
    kv.page_tokens = kPageTokens, kv.layer_bytes = 4096, kv.page_bytes = 8192, kv.dtype = fb::DType::F16;
  });
  for (uint32_t level = 0; level < 2; ++level)
    plan.levels.push_back(make<fb::LevelT>(
        [&](fb::LevelT& l) { l.name = level == 0 ? "x86-64-v3" : "x86-64-v4", l.section = kTinyCode0 + level; }));
  plan.weights.push_back(weight("embed", 0, 32, 4));
  plan.weights.push_back(weight("head", 512, 16, 4));
  for (int kernel = 0; kernel < 2; ++kernel)
    plan.kernels.push_back(make<fb::KernelT>([&](fb::KernelT& k) {
      k.name = kernel == 0 ? "embed" : "linear", k.args = kernel == 0 ? 3 : 4;
      k.variants.push_back(variant(4, 0));
      k.variants.push_back(variant(0, 32));
    }));
  plan.programs.push_back(program("decode", 8));
  plan.programs.push_back(program("mixed", 0));
  return plan;
}

/// The kernels of tinyCudaPlan(), which all of its code has.
static std::vector<TinyKernel> tinyKernels() {
  return {{"embed_m4", 3}, {"embed_m0", 3}, {"linear_m4", 4}, {"linear_m0", 4}};
}

/// Two entries for each level, at 0 and where the first one ends.
static std::array<std::string, 2> tinyCode(bool cuda) {
  // xor eax, eax; ret; then int3: a kernel that does nothing.
  std::string code(128, '\xcc');
  for (size_t entry : {0u, 32u}) code.replace(entry, 3, "\x31\xc0\xc3");
  if (!cuda) return {code, code + "level 1"};
  const std::string cubin = tinyCubin(90, tinyKernels()), ptx = tinyPtx(90, tinyKernels());
  return {cubin + cubin, ptx + ptx};
}

fb::EngineT tinyCudaPlan() {
  fb::EngineT plan = tinyPlan();
  plan.target = cuda::kTarget;
  plan.abi_version = cuda::kAbiVersion;
  plan.levels[0]->name = "cuda:sm_90a";
  plan.levels[1]->name = "cuda:compute_90";
  for (auto& kernel : plan.kernels)
    for (auto& variant : kernel->variants) {
      variant->symbol = kernel->name + "_m" + std::to_string(variant->m_max);
      for (size_t level = 0; level < 2; ++level) {
        fb::CodeRangeT& code = *variant->code[level];
        code.size = tinyCode(/*cuda=*/true)[level].size() / 2;
        code.offset = code.offset == 0 ? 0 : code.size;
        code.launch = make<fb::LaunchShapeT>([](fb::LaunchShapeT& l) {
          l.threads = 256, l.shared_bytes = 1024, l.registers = 40;
          for (uint32_t base : {0u, 1u, 1u})
            l.grid.push_back(make<fb::GridDimT>([&](fb::GridDimT& d) { d.base = base; }));
          l.grid[0]->t_tile = 16, l.grid[0]->t_count = 3;
        });
      }
    }
  for (auto& program : plan.programs) {
    program->region_bytes[3] = 0;
    program->slots.pop_back();
  }
  plan.programs[0]->t_max = 0, plan.programs[0]->q_max = 1;
  return plan;
}

std::string packPlan(const fb::EngineT& plan) {
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishEngineBuffer(builder, fb::Engine::Pack(builder, &plan));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

std::vector<TinyContent> tinySections(const fb::EngineT& plan) {
  const auto code = tinyCode(plan.target == cuda::kTarget);
  std::string weights(768 + kWeightsTailBytes, '\0');
  for (size_t i = 0; i < 768; ++i) weights[i] = static_cast<char>(i);
  return {{SectionKind::kPlan, packPlan(plan), 4096},
          {SectionKind::kCode, code[0], 4096},
          {SectionKind::kCode, code[1], 4096},
          {SectionKind::kWeights, weights, 4096},
          {SectionKind::kTokenizer, R"({"model":{}})", 64}};
}

std::vector<TinyContent> tinySectionsOfBoth(const fb::EngineT& cpu, fb::EngineT cuda) {
  for (auto& level : cuda.levels) level->section += kTinyCount;
  for (auto& weight : cuda.weights) weight->section += kTinyCount;
  std::vector<TinyContent> sections = tinySections(cpu), second = tinySections(cuda);
  second.pop_back();
  sections.insert(sections.end(), second.begin(), second.end());
  sections.push_back({SectionKind::kExplain, R"({"of": "cpu"})", 64});
  sections.push_back({SectionKind::kExplain, R"({"of": "cuda"})", 64});
  return sections;
}

void markSeveralTargets(Header& header, std::vector<SectionEntry>&) { header.requiredFeatures = kSeveralTargets; }

std::string assemble(const std::vector<TinyContent>& sections, const HeadEdit& edit) {
  auto roundUp = [](uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; };
  std::string file(kHeaderBytes + 4096, '\0');
  std::vector<SectionEntry> table;
  std::vector<Digest128> digests;
  for (size_t i = 0; i < sections.size(); ++i) {
    SectionEntry entry;
    entry.kind = static_cast<uint32_t>(sections[i].kind);
    entry.offset = file.size();
    entry.size = sections[i].bytes.size();
    file += sections[i].bytes;
    file.resize(roundUp(file.size(), i + 1 < sections.size() ? sections[i + 1].alignment : 64));
    entry.padded = file.size() - entry.offset;
    entry.firstDigest = digests.size();
    for (uint64_t at = 0; at < entry.padded; at += kChunkBytes)
      digests.push_back(digestOf(file.data() + entry.offset + at, std::min(kChunkBytes, entry.padded - at)));
    entry.digest =
        digestOf(digests.data() + entry.firstDigest, (digests.size() - entry.firstDigest) * sizeof(Digest128));
    table.push_back(entry);
  }
  SectionEntry last;
  last.kind = static_cast<uint32_t>(SectionKind::kDigests);
  last.offset = file.size();
  last.size = last.padded = digests.size() * sizeof(Digest128);
  last.firstDigest = digests.size();
  last.digest = digestOf(digests.data(), last.size);
  file.append(reinterpret_cast<const char*>(digests.data()), last.size);
  table.push_back(last);

  Header header;
  header.fileBytes = file.size();
  header.sectionCount = static_cast<uint32_t>(table.size());
  header.firstSection = kHeaderBytes + 4096;
  if (edit) edit(header, table);
  std::memcpy(file.data() + kHeaderBytes, table.data(), table.size() * sizeof(SectionEntry));
  header.tableDigest = digestOf(file.data() + kHeaderBytes, 4096);
  header.headerDigest = {};
  std::memcpy(file.data(), &header, sizeof(header));
  header.headerDigest = digestOf(file.data(), kHeaderBytes);
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

std::string tinyEngine(const HeadEdit& edit) { return assemble(tinySections(tinyPlan()), edit); }

TemporaryFile::TemporaryFile(std::string_view bytes) {
  // Memory-backed where there is one: some tests rewrite the file a hundred thousand times.
  std::string pattern =
      (std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path().string()) +
      std::string("/llmc-test-XXXXXX");
  folder_ = ::mkdtemp(pattern.data());
  path_ = folder_ + "/tiny.llmc";
  write(bytes);
}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void TemporaryFile::write(std::string_view bytes) const {
  std::ofstream file(path_, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace llmc::rt::test
