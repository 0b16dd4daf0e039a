// Kernel entry, addresses, loads and loops.
#include "codegen/cpu/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <tuple>

using namespace mlir;

namespace llmc {

KernelBuilder::KernelBuilder(ModuleOp module, llvm::StringRef name, unsigned argCount, const Level &level)
    : level_(level), b_(module.getLoc(), module.getContext()) {
  b_.setInsertionPointToEnd(module.getBody());
  enter(name, argCount, {});
}

void KernelBuilder::enter(llvm::StringRef name, unsigned argCount, TypeRange more) {
  llvm::SmallVector<Type> inputs = {ptr(), b_.getI32Type(), b_.getI32Type(), ptr()};
  inputs.append(more.begin(), more.end());
  auto function = func::FuncOp::create(b_, name, b_.getFunctionType(inputs, {b_.getI32Type()}));
  entry_ = function.addEntryBlock();
  b_.setInsertionPointToStart(entry_);
  worker_ = arith::ExtUIOp::create(b_, i64(), entry_->getArgument(1));
  workers_ = arith::ExtUIOp::create(b_, i64(), entry_->getArgument(2));
  taken_ = entry_->getArgument(3);
  args_.clear();
  for (unsigned i = 0; i < argCount; ++i)
    args_.push_back(load(ptr(), entry_->getArgument(0), c(8 * i), 0, 8));
}

void KernelBuilder::callApart(llvm::StringRef suffix, ValueRange inputs, llvm::function_ref<void(ValueRange)> body) {
  auto kernel = cast<func::FuncOp>(entry_->getParentOp());
  const std::string name = (kernel.getName() + suffix).str();
  const auto [entry, args, worker, workers, taken] = std::tuple(entry_, args_, worker_, workers_, taken_);
  {
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointAfter(kernel);
    enter(name, args.size(), inputs.getTypes());
    auto function = cast<func::FuncOp>(entry_->getParentOp());
    function.setPrivate();
    function->setAttr("llvm.linkage", LLVM::LinkageAttr::get(b_.getContext(), LLVM::Linkage::Internal));
    body(entry_->getArguments().drop_front(entry->getNumArguments()));
    finish();
  }
  std::tie(entry_, args_, worker_, workers_, taken_) = std::tuple(entry, args, worker, workers, taken);
  Values all(entry->getArguments());
  all.append(inputs.begin(), inputs.end());
  func::CallOp::create(b_, name, TypeRange{b_.getI32Type()}, all);
}

void KernelBuilder::finish() { func::ReturnOp::create(b_, ValueRange{arith::ConstantIntOp::create(b_, 0, 32)}); }

Type KernelBuilder::ptr() { return LLVM::LLVMPointerType::get(b_.getContext()); }
VectorType KernelBuilder::vec(int64_t lanes, Type element) { return VectorType::get({lanes}, element); }

Value KernelBuilder::c(int64_t value) { return arith::ConstantIntOp::create(b_, value, 64); }

Value KernelBuilder::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr scalar;
  if (isa<FloatType>(element))
    scalar = b_.getFloatAttr(element, value);
  else
    scalar = b_.getIntegerAttr(element, static_cast<int64_t>(value));
  if (auto vector = dyn_cast<VectorType>(type))
    scalar = DenseElementsAttr::get(vector, cast<Attribute>(scalar));
  return arith::ConstantOp::create(b_, scalar);
}

Value KernelBuilder::add(Value a, Value v) { return arith::AddIOp::create(b_, a, v); }
Value KernelBuilder::add(Value a, int64_t v) { return v == 0 ? a : add(a, c(v)); }
Value KernelBuilder::sub(Value a, Value v) { return arith::SubIOp::create(b_, a, v); }
Value KernelBuilder::mul(Value a, Value v) { return arith::MulIOp::create(b_, a, v); }
Value KernelBuilder::mul(Value a, int64_t v) { return v == 1 ? a : mul(a, c(v)); }
Value KernelBuilder::divUI(Value a, int64_t v) { return v == 1 ? a : divUI(a, c(v)); }
Value KernelBuilder::divUI(Value a, Value v) { return arith::DivUIOp::create(b_, a, v); }
Value KernelBuilder::remUI(Value a, int64_t v) { return remUI(a, c(v)); }
Value KernelBuilder::remUI(Value a, Value v) { return arith::RemUIOp::create(b_, a, v); }
Value KernelBuilder::ceilDiv(Value a, int64_t v) { return divUI(add(a, v - 1), v); }
Value KernelBuilder::minSI(Value a, Value v) { return arith::MinSIOp::create(b_, a, v); }
Value KernelBuilder::maxSI(Value a, Value v) { return arith::MaxSIOp::create(b_, a, v); }
Value KernelBuilder::less(Value a, Value v) { return arith::CmpIOp::create(b_, arith::CmpIPredicate::slt, a, v); }
Value KernelBuilder::equal(Value a, Value v) { return arith::CmpIOp::create(b_, arith::CmpIPredicate::eq, a, v); }

Value KernelBuilder::address(Value base, Value offset, int64_t disp) {
  Value at = base;
  if (offset)
    at = LLVM::GEPOp::create(b_, ptr(), i8(), at, llvm::ArrayRef<LLVM::GEPArg>{offset});
  if (disp != 0)
    at = LLVM::GEPOp::create(b_, ptr(), i8(), at, llvm::ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(disp)});
  return at;
}

Value KernelBuilder::load(Type type, Value base, Value offset, int64_t disp, unsigned align) {
  return LLVM::LoadOp::create(b_, type, address(base, offset, disp), align);
}

void KernelBuilder::store(Value value, Value base, Value offset, int64_t disp, unsigned align) {
  LLVM::StoreOp::create(b_, value, address(base, offset, disp), align);
}

Value KernelBuilder::loadSplat(Type element, int64_t lanes, Value base, Value offset, int64_t disp) {
  unsigned align = element.getIntOrFloatBitWidth() / 8;
  return splat(load(element, base, offset, disp, align), lanes);
}

Value KernelBuilder::batchInt(Value batch, int64_t disp) {
  return arith::ExtSIOp::create(b_, i64(), load(i32(), batch, Value(), disp, 4));
}

Value KernelBuilder::batchPtr(Value batch, int64_t disp) { return load(ptr(), batch, Value(), disp, 8); }

Value KernelBuilder::loadIndex(Value array, Value index) {
  return arith::ExtSIOp::create(b_, i64(), load(i32(), array, mul(index, 4), 0, 4));
}

void KernelBuilder::touch(Value base, Value offset) {
  LLVM::LoadOp::create(b_, i32(), address(base, offset, 0), 4, /*isVolatile=*/true);
}

Value KernelBuilder::inOrder(Value v) {
  auto dialect = LLVM::AsmDialectAttr::get(b_.getContext(), LLVM::AsmDialect::AD_ATT);
  const char *constraints = isa<VectorType>(v.getType()) ? "=v,0,~{memory}" : "=r,0,~{memory}";
  return LLVM::InlineAsmOp::create(b_, v.getType(), v, "", constraints, /*has_side_effects=*/true,
                                   /*is_align_stack=*/false, LLVM::TailCallKind::None, dialect, ArrayAttr())
      .getResult(0);
}

void KernelBuilder::prefetch(Value base, Value offset, int64_t disp, int locality) {
  LLVM::Prefetch::create(b_, address(base, offset, disp), /*rw=*/0, /*hint=*/locality, /*cache=*/1);
}

KernelBuilder::Values KernelBuilder::forLoop(Value lo, Value hi, int64_t step, ValueRange inits,
                                             llvm::function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b_, lo, hi, c(step), inits);
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!inits.empty())
    scf::YieldOp::create(b_, next);
  return Values(loop.getResults());
}

void KernelBuilder::forEach(Value lo, Value hi, int64_t step, llvm::function_ref<void(Value)> body) {
  forLoop(lo, hi, step, {}, [&](Value i, ValueRange) {
    body(i);
    return Values();
  });
}

KernelBuilder::Values KernelBuilder::whileLoop(ValueRange inits, llvm::function_ref<Value(ValueRange)> condition,
                                               llvm::function_ref<Values(ValueRange)> body) {
  const llvm::SmallVector<Type> types(inits.getTypes());
  const llvm::SmallVector<Location> places(types.size(), b_.getLoc());
  auto loop = scf::WhileOp::create(b_, types, inits);
  OpBuilder::InsertionGuard guard(b_);
  Block *before = b_.createBlock(&loop.getBefore(), {}, types, places);
  scf::ConditionOp::create(b_, condition(before->getArguments()), before->getArguments());
  Block *after = b_.createBlock(&loop.getAfter(), {}, types, places);
  scf::YieldOp::create(b_, body(after->getArguments()));
  return Values(loop.getResults());
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto op = scf::IfOp::create(b_, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointToStart(op.thenBlock());
  body();
}

KernelBuilder::Values KernelBuilder::ifElse(Value condition, TypeRange results, llvm::function_ref<Values()> then,
                                            llvm::function_ref<Values()> otherwise) {
  auto op = scf::IfOp::create(b_, results, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b_);
  auto fill = [&](Block *block, llvm::function_ref<Values()> body) {
    b_.setInsertionPointToStart(block);
    Values values = body();
    if (!results.empty()) // without results the op made its own terminators
      scf::YieldOp::create(b_, values);
  };
  fill(op.thenBlock(), then);
  fill(op.elseBlock(), otherwise);
  return Values(op.getResults());
}

std::pair<Value, Value> KernelBuilder::workerRange(Value count, Value place) {
  if (!place)
    place = worker_;
  Value begin = divUI(mul(count, place), workers_);
  Value end = divUI(mul(count, add(place, 1)), workers_);
  return {begin, end};
}

void KernelBuilder::shareOutOnlyIf(Value condition) {
  taken_ = arith::SelectOp::create(b_, condition, taken_, LLVM::ZeroOp::create(b_, ptr()));
}

void KernelBuilder::shareOut(Value count, Value chunk, ValueRange inits,
                             llvm::function_ref<Values(Value, Value, ValueRange)> body, Value place) {
  Value dealt = countsTaken();
  Value most = divUI(mul(count, kOwnedQuarters), 4), wholeChunks = sub(most, remUI(most, chunk));
  Value owned = arith::SelectOp::create(b_, dealt, wholeChunks, count);
  auto [first, last] = workerRange(owned, place);
  Values carried = {first, last};
  carried.append(inits.begin(), inits.end());
  const llvm::SmallVector<Type> types(ValueRange(carried).getTypes());
  const llvm::SmallVector<Location> places(types.size(), b_.getLoc());
  auto loop = scf::WhileOp::create(b_, types, carried);
  OpBuilder::InsertionGuard guard(b_);
  Block *range = b_.createBlock(&loop.getBefore(), {}, types, places);
  auto arguments = range->getArguments();
  Values left = body(arguments[0], arguments[1], ValueRange(arguments).drop_front(2));
  Value next =
      ifElse(dealt, {i64()}, [&] { return Values{add(owned, mul(take(), chunk))}; }, [&] { return Values{count}; })[0];
  carried = {next, minSI(add(next, chunk), count)};
  carried.append(left);
  scf::ConditionOp::create(b_, less(next, count), carried);
  Block *again = b_.createBlock(&loop.getAfter(), {}, types, places);
  scf::YieldOp::create(b_, again->getArguments());
}

Value KernelBuilder::countsTaken() {
  Value none = equal(LLVM::PtrToIntOp::create(b_, i64(), taken_), c(0));
  return arith::XOrIOp::create(b_, none, arith::ConstantIntOp::create(b_, 1, 1));
}

Value KernelBuilder::take() {
  Value before = LLVM::AtomicRMWOp::create(b_, LLVM::AtomicBinOp::add, taken_, arith::ConstantIntOp::create(b_, 1, 32),
                                           LLVM::AtomicOrdering::monotonic);
  return arith::ExtUIOp::create(b_, i64(), before);
}

} // namespace llmc
