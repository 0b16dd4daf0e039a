// Coordinate descent with comparisons in turns: what disturbs the machine meets both sides.
#include "compiler/tune/TuneProducts.h"

#include "compiler/tune/ProductRun.h"
#include <algorithm>
#include <map>
#include <optional>

namespace llmc {

static std::optional<MatmulShape> productOf(const fb::Engine &plan, const fb::Launch &launch) {
  const std::string_view inputs = plan.model()->activations() ? plan.model()->activations()->string_view() : "";
  // The head, a product of selected rows, keeps f32.
  const bool int8 = inputs == "int8",
             rounds = inputs == "bf16" && plan.kernels()->Get(launch.kernel())->dim() == fb::Dim::Token;
  for (const auto *arg : *launch.args()) {
    if (arg->kind() != fb::ArgKind::Weight)
      continue;
    const auto *weight = plan.weights()->Get(arg->index());
    std::optional<Layout> layout = layoutByName(weight->layout()->string_view());
    if (!layout || *layout == Layout::Plain || isFragment(*layout))
      continue;
    MatmulShape shape;
    shape.n = static_cast<int64_t>(weight->rows());
    shape.k = static_cast<int64_t>(weight->cols());
    shape.layout = *layout;
    shape.act = int8 && isQuantized(*layout) ? ActKind::Int8 : ActKind::F32;
    shape.bf16Products = rounds && *layout == Layout::BF16N16K2;
    return shape;
  }
  return std::nullopt;
}

std::vector<TunableProduct> productsOf(const fb::Engine &plan) {
  std::map<std::pair<int64_t, std::string>, TunableProduct> products; // by size
  for (const auto *program : *plan.programs())
    for (const auto *phase : *program->phases())
      for (const auto *launch : *phase->launches()) {
        const auto *kernel = plan.kernels()->Get(launch->kernel());
        if (!kernel->family() || kernel->family()->string_view() != "linear")
          continue;
        std::optional<MatmulShape> shape = productOf(plan, *launch);
        if (!shape)
          continue;
        TunableProduct &product = products[{packedBytes(shape->layout, shape->n, shape->k), productKey(*shape)}];
        product.shape = *shape;
        for (const auto *variant : *kernel->variants())
          if (std::find(product.classes.begin(), product.classes.end(), variant->m_max()) == product.classes.end())
            product.classes.push_back(variant->m_max());
      }
  std::vector<TunableProduct> list;
  for (auto &[key, product] : products) {
    auto place = [](int64_t mMax) { return std::find(std::begin(kRowClasses), std::end(kRowClasses), mMax); };
    std::erase_if(product.classes, [&](int64_t mMax) { return place(mMax) == std::end(kRowClasses); });
    std::sort(product.classes.begin(), product.classes.end(),
              [&](int64_t a, int64_t b) { return place(a) < place(b); });
    list.push_back(std::move(product));
  }
  return list;
}

namespace {

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

using Numbers = std::vector<TunedNumber>;

class Search {
public:
  Search(const Level &level, const MatmulShape &shape, rt::WorkerPool &pool, const TuneOptions &options)
      : level_(level), shape_(shape), pool_(pool), options_(options) {}

  rt::Result<TunedProduct> run() {
    auto memory = ProductMemory::make(shape_);
    if (!memory)
      return memory.takeStatus();
    memory_ = memory.take();
    auto table = compile({});
    if (!table)
      return table.takeStatus();
    table_ = table.take();
    LLMC_TRY(setCalls());
    best_ = table_;
    for (const MatmulAxis &axis : matmulAxes(level_, shape_)) {
      if (axis.name == "chunk_bytes" && pool_.workers() < rt::kFewestToDeal)
        continue; // nothing is dealt: what differs is noise
      for (int64_t value : axis.values)
        LLMC_TRY(tryValue(axis.name, value));
    }
    return confirm();
  }

private:
  rt::Result<std::shared_ptr<ProductRun>> compile(const Numbers &numbers) {
    auto run = ProductRun::compile(level_, shape_, numbers, pool_.workers());
    if (!run)
      return run.takeStatus();
    ++tried_;
    return std::shared_ptr<ProductRun>(run.take());
  }

  /// As many as fill a sample. The first alone fetches code and wakes workers: too long to count with.
  rt::Status setCalls() {
    for (calls_ = 1;; calls_ *= 2) {
      auto seconds = table_->seconds(pool_, *memory_, calls_);
      if (!seconds)
        return seconds.takeStatus();
      if (*seconds * static_cast<double>(calls_) < options_.sampleSeconds / 4)
        continue;
      calls_ = std::max<size_t>(1, static_cast<size_t>(options_.sampleSeconds / *seconds));
      return rt::Status::ok();
    }
  }

  /// Medians of both, in turns.
  rt::Result<std::pair<double, double>> compare(ProductRun &a, ProductRun &b, int samples) {
    std::vector<double> first, second;
    for (int i = 0; i < samples; ++i)
      for (auto [run, times] : {std::pair(&a, &first), std::pair(&b, &second)}) {
        auto seconds = run->seconds(pool_, *memory_, calls_);
        if (!seconds)
          return seconds.takeStatus();
        times->push_back(*seconds);
      }
    return std::pair(median(first), median(second));
  }

  rt::Status tryValue(const std::string &name, int64_t value) {
    Numbers numbers = numbers_;
    auto same = std::find_if(numbers.begin(), numbers.end(), [&](const TunedNumber &n) { return n.name == name; });
    if (same == numbers.end())
      numbers.push_back({name, value});
    else if (same->value != value)
      same->value = value;
    else
      return rt::Status::ok();
    std::string fault, none;
    MatmulConfig config = matmulWith(level_, shape_, numbers, fault);
    if (!fault.empty() || config == matmulWith(level_, shape_, numbers_, none))
      return rt::Status::ok(); // not with the numbers found so far, or nothing new
    auto run = compile(numbers);
    if (!run)
      return run.takeStatus();
    auto times = compare(*best_, **run, options_.samples);
    if (!times)
      return times.takeStatus();
    if (times->second < times->first * (1 - options_.leastGain)) {
      best_ = *run;
      numbers_ = std::move(numbers);
    }
    return rt::Status::ok();
  }

  /// A chain of lucky samples is no gain: the whole of it against the table, with more samples.
  rt::Result<TunedProduct> confirm() {
    TunedProduct found{shape_, numbers_, 0, 0, tried_};
    auto times = compare(*table_, *best_, 3 * options_.samples);
    if (!times)
      return times.takeStatus();
    found.tableSeconds = times->first;
    found.seconds = times->second;
    if (numbers_.empty() || found.seconds > found.tableSeconds * (1 - options_.leastGain)) {
      found.numbers.clear();
      found.seconds = found.tableSeconds;
    }
    return found;
  }

  const Level &level_;
  const MatmulShape &shape_;
  rt::WorkerPool &pool_;
  const TuneOptions &options_;
  std::unique_ptr<ProductMemory> memory_;
  std::shared_ptr<ProductRun> table_, best_;
  Numbers numbers_; ///< of best_
  size_t calls_ = 1, tried_ = 0;
};

} // namespace

rt::Result<TunedProduct> tuneProduct(const Level &level, const MatmulShape &shape, rt::WorkerPool &pool,
                                     const TuneOptions &options) {
  return Search(level, shape, pool, options).run();
}

} // namespace llmc
