// Every op that a region may hold, emitted and compiled: for all architectures, twice the same, refused with a reason.
#include "codegen/cuda/KernelText.h"

#include "tests/unit/codegen/cuda/module_text.h"
#include "tests/unit/codegen/cuda/nvrtc_fixture.h"

using namespace llmc;

namespace {

struct Sample {
  const char *name, *text;
};

// Types that the bodies use.
const char *const kTypes = R"(
!x = tensor<?x192xf32, #llm.dims<[T, 192]>>
!xb = tensor<?x192xbf16, #llm.dims<[T, 192]>>
!xh = tensor<?x192xf16, #llm.dims<[T, 192]>>
!h = tensor<?x96xf32, #llm.dims<[T, 96]>>
!s = tensor<?x192xf32, #llm.dims<[S, 192]>>
!o = tensor<?x37xf32, #llm.dims<[T, 37]>>
!p = tensor<?x392xf32, #llm.dims<[T, 392]>>
!w = !llm.weight<[192], #llm.q<f32>>
!ws = !llm.weight<[32], #llm.q<f32>>
!wo = !llm.weight<[37], #llm.q<f32>>
!t = !llm.weight<[288, 32], #llm.q<f32>>
!b = !llm.batch
!kv = !llm.kv<layers = 2, heads = 2, dim = 32, page = 16>
)";

const Sample kSamples[] = {
    {"norm", R"(kern.func @k(%x: !x, %y: !x, %w: !w, %b: !b) -> (!x, !xb) attributes {hero = "norm"} {
      %0 = llm.add %x, %y : !x
      %1 = llm.rmsnorm %0, %w {eps = 1.0e-5, unit_offset = true} : (!x, !w) -> !x
      %2 = llm.cast %1 : (!x) -> !xb
      kern.yield %0, %2 : !x, !xb })"},
    {"argmax", R"(kern.func @k(%x: !s, %b: !b) -> tensor<?x4xf32, #llm.dims<[S, 4]>> attributes {hero = "argmax"} {
      %0 = llm.argmax %x {tile = 128} : (!s) -> tensor<?x4xf32, #llm.dims<[S, 4]>>
      kern.yield %0 : tensor<?x4xf32, #llm.dims<[S, 4]>> })"},
    {"sample",
     R"(kern.func @k(%x: !s, %a: tensor<?x4xf32, #llm.dims<[S, 4]>>, %b: !b) -> tensor<?x1xf32, #llm.dims<[S, 1]>> attributes {hero = "sample"} {
      %0 = llm.sample %x, %a, %b : (!s, tensor<?x4xf32, #llm.dims<[S, 4]>>, !b) -> tensor<?x1xf32, #llm.dims<[S, 1]>>
      kern.yield %0 : tensor<?x1xf32, #llm.dims<[S, 1]>> })"},
    {"segments", R"(kern.func @k(%x: !x, %w: !ws, %b: !b) -> !x attributes {hero = "norm"} {
      %0 = llm.rmsnorm %x, %w {eps = 1.0e-5, segment = 32} : (!x, !ws) -> !x
      kern.yield %0 : !x })"},
    {"layernorm", R"(kern.func @k(%x: !o, %w: !wo, %v: !wo, %b: !b) -> !o attributes {hero = "norm"} {
      %0 = llm.layernorm %x, %w, %v {eps = 1.0e-5} : (!o, !wo, !wo) -> !o
      kern.yield %0 : !o })"},
    {"pointwise", R"(kern.func @k(%x: !xh, %y: !x, %b: !b) -> (!h, !x) attributes {hero = "pointwise"} {
      %0 = llm.cast %x : (!xh) -> !x
      %1 = llm.mul %0, %y : !x
      %2 = llm.act %1 {fn = #llm.act_fn<gelu_tanh>} : !x
      %3 = llm.softcap %2 {cap = 30.0} : !x
      %4 = llm.scale %3 {factor = 0.5} : !x
      %5 = llm.glu %4 {act = #llm.act_fn<silu>, interleave = 16} : (!x) -> !h
      kern.yield %5, %4 : !h, !x })"},
    {"selected", R"(kern.func @k(%x: !x, %w: !w, %b: !b) -> !s attributes {hero = "norm"} {
      %0 = llm.select_rows %x, %b : (!x, !b) -> !s
      %1 = llm.rmsnorm %0, %w {eps = 1.0e-5} : (!s, !w) -> !s
      kern.yield %1 : !s })"},
    {"rope", R"(kern.func @k(%x: !x, %t: !t, %b: !b) -> !x attributes {hero = "pointwise"} {
      %0 = llm.rope %x, %b, %t {rope = #llm.rope<theta = 1.0e4, dim = 32, style = gptj, scaling = none>, head_dim = 64} : (!x, !b, !t) -> !x
      kern.yield %0 : !x })"},
    {"merge", R"(kern.func @k(%p: !p, %b: !b) -> !xb attributes {hero = "pointwise"} {
      %0 = llm.attend_merge %p {heads = 2, head_dim = 96, splits = 2} : (!p) -> !x
      %1 = llm.cast %0 : (!x) -> !xb
      kern.yield %1 : !xb })"},
    {"kv_write",
     R"(kern.func @k(%x: !x, %kv: !kv, %b: !b, %w: !ws, %t: !t) -> tensor<?x64xf32, #llm.dims<[T, 64]>> attributes {hero = "kv_write"} {
      %q = llm.slice %x {offset = 0, size = 64} : (!x) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
      %k = llm.slice %x {offset = 64, size = 64} : (!x) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
      %v = llm.slice %x {offset = 128, size = 64} : (!x) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
      %n = llm.rmsnorm %k, %w {eps = 1.0e-5, segment = 32} : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !ws) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
      %r = llm.rope %n, %b, %t {rope = #llm.rope<theta = 1.0e4, dim = 32, style = neox, scaling = none>, head_dim = 32} : (tensor<?x64xf32, #llm.dims<[T, 64]>>, !b, !t) -> tensor<?x64xf32, #llm.dims<[T, 64]>>
      llm.kv_write %kv, %r, %v, %b {layer = 0} : (!kv, tensor<?x64xf32, #llm.dims<[T, 64]>>, tensor<?x64xf32, #llm.dims<[T, 64]>>, !b) -> ()
      kern.yield %q : tensor<?x64xf32, #llm.dims<[T, 64]>> })"},
};

std::string embed(const char *quant) {
  return std::string("!e = !llm.weight<[100, 192], #llm.q<") + quant +
         ">>\nkern.func @k(%b: !b, %e: !e) -> !x attributes {hero = \"embed\"} {\n"
         "  %0 = llm.embed %b, %e {scale = 2.5} : (!b, !e) -> !x\n  kern.yield %0 : !x\n}\n";
}

class KernelEmitterTest : public NvrtcFixture {};

TEST_F(KernelEmitterTest, CompilesForEveryArchitectureWithoutStack) {
  std::vector<std::pair<std::string, std::string>> samples;
  for (const Sample &sample : kSamples)
    samples.emplace_back(sample.name, sample.text);
  for (const char *quant : {"f16", "bf16", "i8, 32, sym", "i4, 32, sym", "i4, 32, asym"})
    samples.emplace_back(quant, embed(quant));
  for (const auto &[name, body] : samples)
    for (const Arch &arch : cudaArchs()) {
      ModuleText text(kTypes + body);
      ASSERT_TRUE(text.module()) << name << "\n" << text.diagnostics();
      auto kernel = text.emit(arch.name);
      ASSERT_TRUE(succeeded(kernel)) << name << "\n" << text.diagnostics();
      auto made = compiler().compile(*kernel, arch); // checks stack, arguments and shared memory
      ASSERT_TRUE(made.isOk()) << name << " " << made.status().toString() << "\n" << kernel->text;
      EXPECT_LE(made->registers, 128) << name;
    }
}

TEST(KernelEmitterTextTest, SameTextEveryTime) {
  for (const Sample &sample : kSamples) {
    ModuleText first(kTypes + std::string(sample.text)), second(kTypes + std::string(sample.text));
    ASSERT_TRUE(first.module()) << first.diagnostics();
    auto a = first.emit(), b = second.emit();
    ASSERT_TRUE(succeeded(a) && succeeded(b)) << first.diagnostics();
    EXPECT_EQ(a->text, b->text) << sample.name;
    EXPECT_EQ(a->config, b->config);
    EXPECT_FALSE(a->config.empty());
    EXPECT_EQ(a->words,
              static_cast<int64_t>(first.first().getArgumentTypes().size() + first.first().getResultTypes().size()));
    EXPECT_EQ(a->threads % 32, 0);
  }
}

} // namespace
