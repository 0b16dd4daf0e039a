// The image linker refuses everything that would need a loader, and finds every kernel.
// Tests: ObjectCompiler.cpp.
#include "codegen/cpu/ImageLinker.h"
#include "codegen/cpu/KernelBuilder.h"
#include "codegen/cpu/ObjectCompiler.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cstring>

namespace llmc {
namespace {

using Object = llvm::SmallVector<char, 0>;
using Fill = std::function<void(mlir::ModuleOp, const Level &)>;

Object compile(const Fill &fill) {
  mlir::DialectRegistry registry;
  registerKernelDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  fill(*module, cpuLevels()[0]);
  auto compiled = compileKernel(*module, cpuLevels()[0], /*wantListing=*/false);
  EXPECT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  return compiled ? std::move(compiled->object) : Object();
}

Fill emptyKernel(std::string name) {
  return [name](mlir::ModuleOp module, const Level &level) { KernelBuilder(module, name, 0, level).finish(); };
}

/// Why these objects are refused; "" when they are not.
std::string refusal(std::vector<Object> objects) {
  auto image = linkImage(objects);
  return image ? "" : llvm::toString(image.takeError());
}

TEST(ImageLinker, FindsEachKernel) {
  std::vector<Object> objects;
  objects.push_back(compile(emptyKernel("first")));
  objects.push_back(compile(emptyKernel("second")));
  auto image = linkImage(objects);
  ASSERT_TRUE(bool(image)) << llvm::toString(image.takeError());
  ASSERT_EQ(image->symbols.size(), 2u);
  auto first = image->symbols.lookup("first"), second = image->symbols.lookup("second");
  EXPECT_NE(first.offset, second.offset);
  EXPECT_LE(second.offset + second.size, image->bytes.size());
  EXPECT_GT(first.size, 0u);
}

TEST(ImageLinker, SameObjectsSameBytes) {
  std::vector<Object> objects;
  objects.push_back(compile(emptyKernel("k")));
  auto a = linkImage(objects), b = linkImage(objects);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->bytes, b->bytes);
}

TEST(ImageLinker, RefusesAnImport) {
  std::string why = refusal([] {
    std::vector<Object> objects;
    objects.push_back(compile([](mlir::ModuleOp module, const Level &level) {
      auto type = mlir::FunctionType::get(module.getContext(), {}, {});
      mlir::OpBuilder top = mlir::OpBuilder::atBlockBegin(module.getBody());
      auto outside = mlir::func::FuncOp::create(top, module.getLoc(), "outside", type);
      outside.setPrivate();
      KernelBuilder k(module, "kernel", 0, level);
      mlir::func::CallOp::create(k.b(), "outside", mlir::TypeRange());
      k.finish();
    }));
    return objects;
  }());
  EXPECT_NE(why.find("outside"), std::string::npos) << why;
}

/// A kernel that uses a global of `constant`ness, initialised by `initial`.
Fill kernelWithGlobal(bool constant) {
  return [constant](mlir::ModuleOp module, const Level &level) {
    mlir::OpBuilder top = mlir::OpBuilder::atBlockBegin(module.getBody());
    auto global = mlir::LLVM::GlobalOp::create(top, module.getLoc(), top.getI32Type(), constant,
                                               mlir::LLVM::Linkage::Internal, "state", top.getI32IntegerAttr(7));
    KernelBuilder k(module, "kernel", 1, level);
    mlir::Value at = mlir::LLVM::AddressOfOp::create(k.b(), global);
    k.store(k.load(k.i32(), at, mlir::Value()), k.arg(0), mlir::Value());
    if (!constant)
      k.store(k.load(k.i32(), k.arg(0), mlir::Value(), 4), at, mlir::Value());
    k.finish();
  };
}

TEST(ImageLinker, RefusesWritableData) {
  std::vector<Object> objects;
  objects.push_back(compile(kernelWithGlobal(false)));
  std::string why = refusal(std::move(objects));
  EXPECT_NE(why.find("a loader would have to process"), std::string::npos) << why;
}

TEST(ImageLinker, TakesReadOnlyData) {
  std::vector<Object> objects;
  objects.push_back(compile(kernelWithGlobal(true)));
  EXPECT_EQ(refusal(std::move(objects)), "");
}

TEST(ImageLinker, RefusesTwoKernelsOfOneName) {
  std::vector<Object> objects;
  objects.push_back(compile(emptyKernel("same")));
  objects.push_back(compile(emptyKernel("same")));
  EXPECT_NE(refusal(std::move(objects)).find("same"), std::string::npos);
}

TEST(ImageLinker, RefusesWhatIsNoObject) {
  const char text[] = "not an object file";
  std::vector<Object> objects;
  objects.emplace_back(text, text + std::strlen(text));
  EXPECT_NE(refusal(std::move(objects)), "");
}

} // namespace
} // namespace llmc
