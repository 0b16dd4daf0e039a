// Adds the generated table weight of each distinct rotary embedding and hands it to the rope ops.
#include "passes/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {
#define GEN_PASS_DEF_ADDROPETABLE
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// Positions a coarse row steps over; fine rows follow the coarse ones.
constexpr int64_t kFineRows = 256;

struct AddRopeTablePass : impl::AddRopeTableBase<AddRopeTablePass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::MapVector<Attribute, llvm::SmallVector<llm::RopeOp>> users;
    module.walk([&](llm::RopeOp op) {
      if (!op.getTable())
        users[op.getRope()].push_back(op);
    });
    if (users.empty())
      return;
    auto positions = module->getAttrOfType<IntegerAttr>(kMaxPositionsAttr);
    if (!positions || positions.getInt() <= 0) {
      module.emitError("expected a positive module attribute '")
          << kMaxPositionsAttr << "', which sizes the rope table";
      return signalPassFailure();
    }
    SymbolTable symbols(module);
    for (auto &[rope, ops] : users) {
      llm::WeightOp table = createTable(symbols, cast<llm::RopeAttr>(rope), positions.getInt());
      for (llm::RopeOp op : ops) {
        OpBuilder builder(op);
        op.getTableMutable().assign(llm::UseOp::create(builder, op.getLoc(), table).getResult());
      }
    }
  }

  llm::WeightOp createTable(SymbolTable &symbols, llm::RopeAttr rope, int64_t positions) {
    ModuleOp module = getOperation();
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    MLIRContext *context = module.getContext();
    int64_t rows = (positions + kFineRows - 1) / kFineRows + kFineRows;
    auto type = llm::WeightType::get(context, {rows, rope.getDim()}, llm::QuantAttr::get(context, llm::QuantKind::F32));
    OperationState state(module.getLoc(), llm::WeightOp::getOperationName());
    state.addAttribute("sym_name", builder.getStringAttr("rope_table"));
    state.addAttribute("type", TypeAttr::get(type));
    state.addAttribute("generated", rope);
    auto weight = cast<llm::WeightOp>(builder.create(state));
    symbols.insert(weight); // renames on a clash
    return weight;
  }
};

} // namespace
} // namespace llmc
