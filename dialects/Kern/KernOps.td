// Operations of the kern dialect: dispatch, yield, func, call.
#ifndef LLMC_DIALECTS_KERN_KERNOPS_TD
#define LLMC_DIALECTS_KERN_KERNOPS_TD

include "dialects/Kern/KernDialect.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kern_DispatchOp : Kern_Op<"dispatch", [IsolatedFromAbove, RecursiveMemoryEffects, SingleBlock]> {
  let summary = "llm ops that one kernel computes, in place";
  let description = [{
    ```mlir
    %y = kern.dispatch "linear" (%bx = %x : tensor<..>, %bw = %w : !llm.weight<..>) -> (tensor<..>) attributes {origin = ["o_proj"], fused = ["F7"]} {
      %0 = llm.linear %bx, %bw : (tensor<..>, !llm.weight<..>) -> tensor<..>
      kern.yield %0 : tensor<..>
    }
    ```
    hero names the op that decides the kernel family; origin the places in the model; fused the patterns of the fusion table that applied.
    C1: hero is one of heroNames() in KernOps.cpp. C2: block arguments have the operand types. C3: the body holds llm ops
    only. C4: kern.yield has the result types.
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, StrAttr:$hero, OptionalAttr<StrArrayAttr>:$origin, OptionalAttr<StrArrayAttr>:$fused);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    // Creates the block with one argument an input; the caller fills it and ends it with kern.yield.
    OpBuilder<(ins "::mlir::TypeRange":$outputs, "::mlir::ValueRange":$inputs, "::llvm::StringRef":$hero,
                   CArg<"::llvm::ArrayRef<::llvm::StringRef>", "{}">:$origin, CArg<"::llvm::ArrayRef<::llvm::StringRef>", "{}">:$fused)>];
  let extraClassDeclaration = [{
    ::mlir::Block& getBlock() { return getBody().front(); }
    /// The kern.yield that ends the body.
    ::llmc::kern::YieldOp getYield();
  }];
}

def Kern_YieldOp : Kern_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["::llmc::kern::DispatchOp", "::llmc::kern::FuncOp"]>]> {
  let summary = "results of a dispatch or a kernel function";
  let description = [{
    `kern.yield %y : tensor<..>`. C1: the parent is a kern.dispatch or a kern.func; they check the types.
  }];
  let arguments = (ins Variadic<AnyType>:$results);
  let assemblyFormat = "attr-dict ($results^ `:` type($results))?";
}

def Kern_FuncOp : Kern_Op<"func", [FunctionOpInterface, IsolatedFromAbove, SingleBlock]> {
  let summary = "one kernel, called from every layer that needs it";
  let description = [{
    ```mlir
    kern.func @linear_0(%x: tensor<..>, %w: !llm.weight<..>) -> tensor<..> attributes {hero = "linear", config = [#kern.config<m_max = 1>]} { .. }
    ```
    config lists the compiled variants, one a class of row counts, in rising order of m_max (0, any number, last).
    C1: hero as in kern.dispatch. C2: the body holds llm ops only. C3: kern.yield has the result types. C4: cache ops inside have layer 0;
    the call says which layer. C5: config rises in m_max. C6: the function has a body.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type, StrAttr:$hero,
    OptionalAttr<TypedArrayAttrBase<Kern_ConfigAttr, "array of #kern.config">>:$config, OptionalAttr<StrArrayAttr>:$origin,
    OptionalAttr<StrArrayAttr>:$fused, OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    // Without a block; addEntryBlock() makes one.
    OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type, "::llvm::StringRef":$hero)>];
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region* getCallableRegion() { return &getBody(); }
    /// The kern.yield that ends the body.
    ::llmc::kern::YieldOp getYield();
    /// One a class of its config, in that order; without a config, one for any number of rows.
    ::llvm::SmallVector<::llmc::kern::Variant> getVariants();
  }];
}

def Kern_CallOp : Kern_Op<"call", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a kernel function";
  let description = [{
    `%y = kern.call @linear_0(%x, %w) : (tensor<..>, !llm.weight<..>) -> tensor<..>`; `{kv_layer = 3}` is the layer that the kernel's cache
    ops touch. C1: the symbol is a kern.func. C2: operand and result types are its own. C3: kv_layer is given exactly when an operand is a cache.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$inputs, OptionalAttr<I64Attr>:$kv_layer);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat = "$callee `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)";
  let builders = [OpBuilder<(ins "::llmc::kern::FuncOp":$callee, "::mlir::ValueRange":$inputs, CArg<"::std::optional<int64_t>", "{}">:$kvLayer)>];
}

#endif // LLMC_DIALECTS_KERN_KERNOPS_TD
