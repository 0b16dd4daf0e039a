// Builds, maps and runs one kernel.
#include "tests/unit/codegen/cpu/core/kernel_runner.h"

#include "dialects/LLM/LLMDialect.h"
#include "runtime/device/cpu_features.h"

#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <set>
#include <sys/mman.h>

namespace llmc {

bool canRun(const Level &level) {
  static std::set<std::string> told;
  std::string name = level.name.str();
  if (rt::supportsLevel(name, rt::detectCpuFeatures()))
    return true;
  if (told.insert(name).second)
    printf("level %s compiled only: this machine cannot run it\n", name.c_str());
  return false;
}

MappedKernel::MappedKernel(CodeImage image, std::string assembly, llvm::StringRef symbol)
    : size_(image.bytes.size()), assembly_(std::move(assembly)) {
  base_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memcpy(base_, image.bytes.data(), size_);
  mprotect(base_, size_, PROT_READ | PROT_EXEC);
  function_ = reinterpret_cast<rt::KernelFn>(static_cast<char *>(base_) + image.symbols.lookup(symbol).offset);
}

MappedKernel::~MappedKernel() { munmap(base_, size_); }

void MappedKernel::run(const std::vector<const void *> &args, uint32_t workers) const {
  std::vector<uint64_t> words;
  for (const void *arg : args)
    words.push_back(reinterpret_cast<uint64_t>(arg));
  for (uint32_t worker = 0; worker < workers; ++worker)
    ASSERT_EQ(function_(words.data(), worker, workers, nullptr), 0);
}

bool MappedKernel::callsNothing() const { return !assembly_.empty() && assembly_.find("\tcall") == std::string::npos; }

/// A context that knows the dialects of kern.func bodies and of kernels.
static std::unique_ptr<mlir::MLIRContext> makeContext() {
  mlir::DialectRegistry registry;
  registerKernelDialects(registry);
  registry.insert<llm::LLMDialect, kern::KernDialect>();
  auto context = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

static mlir::LogicalResult emitText(mlir::MLIRContext &context, const std::string &text, const Level &level,
                                    const Emit &emit, mlir::ModuleOp into) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return mlir::failure();
  auto functions = module->getOps<kern::FuncOp>();
  return emit(into, EmitRequest{*functions.begin(), "kernel", level, 0});
}

static std::unique_ptr<MappedKernel> finishKernel(mlir::ModuleOp module, const Level &level) {
  auto compiled = compileKernel(module, level, /*wantListing=*/true);
  if (!compiled) {
    ADD_FAILURE() << llvm::toString(compiled.takeError());
    return nullptr;
  }
  std::string assembly = compiled->listing.assembly;
  std::vector<llvm::SmallVector<char, 0>> objects;
  objects.push_back(std::move(compiled->object));
  auto image = linkImage(objects);
  if (!image) {
    ADD_FAILURE() << llvm::toString(image.takeError());
    return nullptr;
  }
  auto kernel = std::make_unique<MappedKernel>(std::move(*image), assembly, "kernel");
  EXPECT_TRUE(kernel->callsNothing()) << assembly;
  return kernel;
}

std::unique_ptr<MappedKernel> buildModule(const Level &level,
                                          const std::function<mlir::LogicalResult(mlir::ModuleOp)> &fill) {
  auto context = makeContext();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  if (mlir::failed(fill(*module))) {
    ADD_FAILURE() << "cannot emit the kernel";
    return nullptr;
  }
  return finishKernel(*module, level);
}

std::unique_ptr<MappedKernel> buildKernel(const std::string &text, const Level &level, const Emit &emit) {
  auto context = makeContext();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  if (mlir::failed(emitText(*context, text, level, emit, *module))) {
    ADD_FAILURE() << "cannot emit " << text;
    return nullptr;
  }
  return finishKernel(*module, level);
}

std::string emitError(const std::string &text, const Level &level, const Emit &emit) {
  auto context = makeContext();
  std::string message;
  mlir::ScopedDiagnosticHandler handler(context.get(),
                                        [&](mlir::Diagnostic &diagnostic) { message += diagnostic.str(); });
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  if (mlir::failed(emitText(*context, text, level, emit, *module)))
    return message.empty() ? "failed without a diagnostic" : message;
  return "";
}

Rows::Rows(int64_t rows, int64_t rowBytes)
    : rows_(rows), stride_(rt::rowStrideBytes(rowBytes)), bytes_((rows + 16) * stride_ + 64, '\xff') {}

char *Rows::base() { return bytes_.data() + (64 - reinterpret_cast<uintptr_t>(bytes_.data()) % 64) % 64; }

void Rows::randomize(int64_t columns, uint32_t seed, float scale) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  for (int64_t r = 0; r < rows_; ++r)
    for (int64_t c = 0; c < columns; ++c)
      at(r, c) = normal(random);
}

bool Rows::paddingIntact() {
  const char *end = base() + (rows_ + 16) * stride_;
  return std::all_of(base() + rows_ * stride_, const_cast<char *>(end), [](char c) { return c == '\xff'; });
}

} // namespace llmc
