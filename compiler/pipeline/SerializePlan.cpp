// One walk over plan.engine, one table an op.
#include "compiler/pipeline/SerializePlan.h"

#include "dialects/LLM/LLMDialect.h"
#include "runtime/base/limits.h"
#include "runtime/format/engine_generated.h"

namespace llmc {

using namespace mlir;

namespace {

int64_t integer(DictionaryAttr facts, llvm::StringRef key, int64_t fallback = 0) {
  auto attr = facts.getAs<IntegerAttr>(key);
  return attr ? attr.getInt() : fallback;
}

std::string text(DictionaryAttr facts, llvm::StringRef key) {
  auto attr = facts.getAs<StringAttr>(key);
  return attr ? attr.str() : std::string();
}

std::vector<std::string> strings(ArrayAttr array) {
  std::vector<std::string> out;
  if (array)
    for (auto attr : array.getAsRange<StringAttr>())
      out.push_back(attr.str());
  return out;
}

std::unique_ptr<fb::ModelT> modelTable(DictionaryAttr facts) {
  auto model = std::make_unique<fb::ModelT>();
  model->family = text(facts, "family");
  model->name = text(facts, "name");
  model->vocab_size = integer(facts, "vocab_size");
  model->hidden_size = integer(facts, "hidden_size");
  model->layers = integer(facts, "layers");
  model->heads = integer(facts, "heads");
  model->kv_heads = integer(facts, "kv_heads");
  model->head_dim = integer(facts, "head_dim");
  model->max_positions = integer(facts, "max_positions");
  model->sliding_window = integer(facts, "sliding_window");
  model->parameters = integer(facts, "parameters");
  model->scheme = text(facts, "scheme");
  model->activations = text(facts, "activations");
  model->bos_id = static_cast<int32_t>(integer(facts, "bos_id", -1));
  if (auto ids = facts.getAs<DenseI64ArrayAttr>("eos_ids"))
    model->eos_ids.assign(ids.asArrayRef().begin(), ids.asArrayRef().end());
  model->add_bos = integer(facts, "add_bos") != 0;
  return model;
}

class Serializer {
public:
  Serializer(ModuleOp module, const std::vector<PackedWeight> &places, const CompiledKernels &kernels,
             const PlanSections &sections)
      : module_(module), places_(places), kernels_(kernels), sections_(sections) {}

  fb::EngineT engine(plan::EngineOp op) {
    fb::EngineT out;
    out.abi_version = static_cast<uint32_t>(op.getAbiVersion());
    out.compiler_version = LLMC_VERSION;
    out.model = modelTable(op.getModel());
    out.kv = std::make_unique<fb::KvSpecT>();
    out.kv->page_tokens = op.getPageTokens();
    out.kv->layer_bytes = op.getLayerBytes();
    out.kv->page_bytes = op.getPageBytes();
    out.kv->dtype = static_cast<fb::DType>(llm::symbolizeQuantKind(op.getKvKind()).value_or(llm::QuantKind::F16));
    if (op.getTarget() != "cpu")
      out.target = op.getTarget().str();
    for (size_t i = 0; i < sections_.code.size(); ++i) {
      auto level = std::make_unique<fb::LevelT>();
      level->name = kernels_.cuda.empty() ? kernels_.levels[i]->name.str() : kernels_.cuda[i].name;
      level->section = sections_.code[i];
      if (!kernels_.cuda.empty()) // packed in the file
        level->plain_bytes = kernels_.cuda[i].code.size();
      out.levels.push_back(std::move(level));
    }
    addWeights(out);
    for (auto kernel : op.getBlock().getOps<plan::KernelOp>())
      out.kernels.push_back(kernelTable(kernel));
    for (auto program : op.getBlock().getOps<plan::ProgramOp>())
      out.programs.push_back(programTable(program));
    return out;
  }

private:
  void addWeights(fb::EngineT &out) {
    for (auto weight : module_.getOps<llm::WeightOp>()) {
      llm::WeightType type = weight.weightType();
      size_t index = weightIndex_.size();
      weightIndex_[weight.getSymName()] = index;
      auto table = std::make_unique<fb::WeightT>();
      table->name = weight.getSymName().str();
      table->section = sections_.weights;
      table->offset = places_[index].offset;
      table->size = places_[index].size;
      table->rows = type.rows();
      table->cols = type.cols();
      table->dtype = static_cast<fb::DType>(type.getQuant().getKind());
      table->group = type.getQuant().getGroup();
      table->symmetric = type.getQuant().getSymmetric();
      table->layout = weight.getLayout().value_or("plain").str();
      table->stored = weight.getStored().value_or("").str();
      out.weights.push_back(std::move(table));
    }
  }

  std::unique_ptr<fb::KernelT> kernelTable(plan::KernelOp op) {
    kernelIndex_[op.getSymName()] = kernelIndex_.size();
    auto table = std::make_unique<fb::KernelT>();
    table->name = op.getSymName().str();
    table->family = op.getFamily().str();
    table->dim = op.getDim() == plan::RowsDim::Row ? fb::Dim::Row : fb::Dim::Token;
    table->args = op.getArgs();
    table->origin = strings(op.getOriginAttr());
    table->fused = strings(op.getFusedAttr());
    size_t next = 0;
    for (const auto &[i, variant] : llvm::enumerate(kernels_.variants)) {
      if (variant.kernel != op.getSymName())
        continue;
      auto entry = std::make_unique<fb::VariantT>();
      entry->m_max = op.getMMax()[next++];
      entry->config = variant.symbol;
      for (const auto &[level, image] : llvm::enumerate(kernels_.images)) {
        auto range = std::make_unique<fb::CodeRangeT>();
        CodeImage::Symbol symbol = image.symbols.lookup(variant.symbol);
        range->offset = symbol.offset;
        range->size = symbol.size;
        range->exact = level < variant.exact.size() && variant.exact[level];
        entry->code.push_back(std::move(range));
      }
      for (const CudaLevel &level : kernels_.cuda) {
        entry->symbol = variant.symbol;
        entry->code.push_back(codeRange(level.variants[i]));
      }
      table->variants.push_back(std::move(entry));
    }
    return table;
  }

  static std::unique_ptr<fb::CodeRangeT> codeRange(const CudaVariant &variant) {
    auto range = std::make_unique<fb::CodeRangeT>();
    range->offset = variant.offset;
    range->size = variant.size;
    range->config = variant.kernel.config;
    range->launch = std::make_unique<fb::LaunchShapeT>();
    range->launch->threads = static_cast<uint32_t>(variant.kernel.threads);
    range->launch->shared_bytes = static_cast<uint32_t>(variant.kernel.sharedBytes);
    range->launch->registers = static_cast<uint32_t>(variant.compiled.registers);
    range->launch->static_shared_bytes = static_cast<uint32_t>(variant.compiled.sharedBytes);
    range->launch->local_bytes = static_cast<uint32_t>(variant.compiled.spillBytes);
    range->launch->waits = variant.kernel.waits;
    range->launch->blocks_per_sm = static_cast<uint32_t>(variant.kernel.blocksPerSm);
    range->launch->cluster = static_cast<uint32_t>(variant.kernel.cluster > 1 ? variant.kernel.cluster : 0);
    for (const GridDim &dim : variant.kernel.grid) {
      auto entry = std::make_unique<fb::GridDimT>();
      entry->base = static_cast<uint32_t>(dim.base);
      entry->t_tile = static_cast<uint32_t>(dim.tTile);
      entry->t_count = static_cast<uint32_t>(dim.tCount);
      entry->s_tile = static_cast<uint32_t>(dim.sTile);
      entry->s_count = static_cast<uint32_t>(dim.sCount);
      entry->seq_count = static_cast<uint32_t>(dim.seqCount);
      range->launch->grid.push_back(std::move(entry));
    }
    return range;
  }

  std::unique_ptr<fb::ProgramT> programTable(plan::ProgramOp op) {
    auto table = std::make_unique<fb::ProgramT>();
    table->name = op.getSymName().str();
    table->t_max = op.getTMax();
    table->q_max = op.getQMax();
    for (int64_t bytes : op.getRegionBytes())
      table->region_bytes.push_back(bytes);
    llvm::StringMap<uint32_t> slots;
    for (auto slot : op.getBlock().getOps<plan::SlotOp>()) {
      slots[slot.getSymName()] = slots.size();
      auto entry = std::make_unique<fb::SlotT>();
      entry->name = slot.getSymName().str();
      entry->unit = static_cast<fb::Unit>(slot.getUnit());
      entry->offset = slot.getOffset();
      entry->bytes = slot.getBytes();
      table->slots.push_back(std::move(entry));
    }
    table->logits_slot = slots.lookup(op.getLogits());
    if (op.getArgmax()) {
      table->argmax_slot = static_cast<int32_t>(slots.lookup(*op.getArgmax()));
      table->argmax_tile = static_cast<uint32_t>(*op.getArgmaxTile());
    }
    if (op.getSample())
      table->sample_slot = static_cast<int32_t>(slots.lookup(*op.getSample()));
    for (auto phase : op.getBlock().getOps<plan::PhaseOp>()) {
      auto entry = std::make_unique<fb::PhaseT>();
      for (auto launch : phase.getBlock().getOps<plan::LaunchOp>())
        entry->launches.push_back(launchTable(launch, slots));
      table->phases.push_back(std::move(entry));
    }
    return table;
  }

  std::unique_ptr<fb::LaunchT> launchTable(plan::LaunchOp op, const llvm::StringMap<uint32_t> &slots) {
    auto table = std::make_unique<fb::LaunchT>();
    table->kernel = kernelIndex_.lookup(op.getKernel());
    table->layer = static_cast<int32_t>(op.getLayer());
    for (auto arg : op.getArgs().getAsRange<plan::ArgAttr>()) {
      auto entry = std::make_unique<fb::ArgT>();
      entry->kind = static_cast<fb::ArgKind>(arg.getKind());
      entry->offset = arg.getOffset();
      if (arg.getKind() == plan::ArgKind::Slot)
        entry->index = slots.lookup(arg.getName().getValue());
      else if (arg.getKind() == plan::ArgKind::Weight)
        entry->index = weightIndex_.lookup(arg.getName().getValue());
      table->args.push_back(std::move(entry));
    }
    return table;
  }

  ModuleOp module_;
  const std::vector<PackedWeight> &places_;
  const CompiledKernels &kernels_;
  const PlanSections &sections_;
  llvm::StringMap<uint32_t> weightIndex_, kernelIndex_;
};

} // namespace

rt::Result<std::string> serializePlan(plan::EngineOp engine, ModuleOp module, const std::vector<PackedWeight> &places,
                                      const CompiledKernels &kernels, const PlanSections &sections) {
  fb::EngineT table = Serializer(module, places, kernels, sections).engine(engine);
  flatbuffers::FlatBufferBuilder builder(1 << 20);
  builder.Finish(fb::Engine::Pack(builder, &table), fb::EngineIdentifier());
  if (builder.GetSize() > rt::limits::kPlanBytes)
    return rt::Status::error(rt::ErrorKind::kInternal, "EN_TOO_LARGE",
                             "the plan has " + std::to_string(builder.GetSize()) + " bytes, the reader takes " +
                                 std::to_string(rt::limits::kPlanBytes));
  return std::string(reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize());
}

} // namespace llmc
