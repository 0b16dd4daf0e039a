// The plan dialect, its argument attribute and enumerations, which are those of runtime/format/engine.fbs.
#ifndef LLMC_DIALECTS_PLAN_PLANDIALECT_TD
#define LLMC_DIALECTS_PLAN_PLANDIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::llmc::plan";
  let summary = "when kernels run and where their data lie";
  let description = [{
    One op an object of engine.fbs, with its field names; no control flow but the choice of a program by T and of a variant by T or S.
    No tensors and no SSA values: arguments name slots and weights, as the file does.
  }];
  let useDefaultAttributePrinterParser = 1;
}

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

class Plan_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::llmc::plan";
  let genSpecializedAttr = 0;
}

// Specialized, so that a slot prints the bare word.
def Plan_SlotUnit : I32EnumAttr<"SlotUnit", "what the size of a slot is counted in", [
  I32EnumAttrCase<"Fixed", 0, "fixed">, I32EnumAttrCase<"Token", 1, "token">, I32EnumAttrCase<"Row", 2, "row">,
  I32EnumAttrCase<"Worker", 3, "worker">]> {
  let cppNamespace = "::llmc::plan";
}
def Plan_RowsDim : Plan_Enum<"RowsDim", "the dimension that picks a kernel variant", [
  I32EnumAttrCase<"Token", 0, "token">, I32EnumAttrCase<"Row", 1, "row">]>;
def Plan_ArgKind : Plan_Enum<"ArgKind", "what a launch argument points at", [
  I32EnumAttrCase<"Slot", 0, "slot">, I32EnumAttrCase<"Weight", 1, "weight">, I32EnumAttrCase<"Kv", 2, "kv">,
  I32EnumAttrCase<"Batch", 3, "batch">]>;


def Plan_RowsDimAttr : EnumAttr<Plan_Dialect, Plan_RowsDim, "rows_dim"> { let assemblyFormat = "`<` $value `>`"; }

def Plan_ArgAttr : AttrDef<Plan_Dialect, "Arg"> {
  let mnemonic = "arg";
  let summary = "one argument of a launch";
  let description = [{
    `#plan.arg<slot, @x>`, `#plan.arg<weight, @wqkv>`, `#plan.arg<kv, 6144>`, `#plan.arg<batch>`; a number at the end is an offset in bytes
    added to the address (kv: layer * layer_bytes). C1: slot and weight have a name, kv and batch have none. C2: offset >= 0; batch has none.
  }];
  let parameters = (ins "::llmc::plan::ArgKind":$kind, OptionalParameter<"::mlir::FlatSymbolRefAttr">:$name, "int64_t":$offset);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Plan_I64Attr : Attr<CPred<"::llvm::isa<::mlir::IntegerAttr>($_self) && ::llvm::cast<::mlir::IntegerAttr>($_self).getType().isSignlessInteger(64)">,
                        "64-bit signless integer attribute"> {
  let storageType = "::mlir::IntegerAttr";
  let returnType = "int64_t";
  let convertFromStorage = "$_self.getInt()";
  let constBuilderCall = "$_builder.getI64IntegerAttr($0)";
  let valueType = I64;
}

#endif // LLMC_DIALECTS_PLAN_PLANDIALECT_TD
