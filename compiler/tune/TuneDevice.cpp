// All candidates of a class are measured in turns: what disturbs the device meets each of them.
#include "compiler/tune/TuneDevice.h"

#include "codegen/cuda/matmul/ProductTuning.h"
#include "runtime/base/shortage.h"
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

namespace llmc {

using Json = nlohmann::json;

/// Null where there is none: an engine's text may be anything.
static Json member(const Json &object, const char *name) {
  return object.is_object() && object.contains(name) ? object[name] : Json();
}

rt::Result<std::vector<DeviceTunable>> deviceProductsOf(std::string_view explain) {
  std::vector<DeviceTunable> list;
  std::map<std::string, size_t> places;
  for (const Json &kernel : member(Json::parse(explain, nullptr, /*allow_exceptions=*/false), "kernels")) {
    const Json key = member(kernel, "product");
    std::optional<CudaProduct> product = key.is_string() ? readCudaProduct(key.get<std::string>()) : std::nullopt;
    if (!product)
      continue;
    auto [place, isNew] = places.try_emplace(key.get<std::string>(), list.size());
    if (isNew)
      list.push_back({*product, {}});
    const Json variants = member(kernel, "variants");
    std::vector<int64_t> &classes = list[place->second].classes;
    for (const int64_t mMax : kCudaRowClasses)
      if (!llvm::is_contained(classes, mMax) &&
          llvm::any_of(variants, [&](const Json &variant) { return member(variant, "m_max") == mMax; }))
        classes.push_back(mMax);
  }
  if (list.empty())
    return rt::Status::error(rt::ErrorKind::kMismatch, "TUNE_TARGET",
                             "the engine does not say which products its kernels for CUDA compute",
                             "build it again with this llmc");
  return list;
}

namespace {

double medianOf(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// The model's best first, at most `most` (0: all).
std::vector<ProductConfig> candidatesOf(const Arch &arch, const ProductShape &shape, size_t most) {
  std::vector<ProductConfig> rest = legalProducts(arch, shape), best;
  while (!rest.empty() && (most == 0 || best.size() < most)) {
    best.push_back(fastestProduct(arch, shape, rest));
    std::erase(rest, best.back());
  }
  return best;
}

/// One that is legal by the model, but not for the compiler.
bool isRefusal(const rt::Status &status) {
  return status.code() == "CU_SPILL" || status.code() == "CU_SLOW" || status.code() == "CU_SHARED";
}

class DeviceSearch {
public:
  DeviceSearch(const Nvrtc &nvrtc, const Arch &arch, const rt::cuda::Stream &stream, const ProductShape &shape,
               const DeviceTuneOptions &options)
      : nvrtc_(nvrtc), arch_(arch), stream_(stream), shape_(shape), options_(options) {}

  rt::Result<DeviceTuned> run() {
    LLMC_TRY(compile(candidatesOf(arch_, shape_, options_.candidates)));
    auto memory = DeviceProductMemory::make(stream_, shape_);
    LLMC_TRY(memory.status());
    memory_ = memory.take();
    LLMC_TRY(load());
    LLMC_TRY(chooseCalls());
    std::vector<size_t> all(runs_.size());
    for (size_t i = 0; i < all.size(); ++i)
      all[i] = i;
    auto times = inTurns(all, options_.samples);
    LLMC_TRY(times.status());
    const auto best = static_cast<size_t>(std::min_element(times->begin(), times->end()) - times->begin());
    return confirm(best);
  }

private:
  /// Of the model's choice first: it has a kernel, or nothing has.
  rt::Status compile(const std::vector<ProductConfig> &configs) {
    std::vector<std::optional<rt::Result<CompiledProduct>>> made(configs.size());
    std::atomic<size_t> next{0};
    auto work = [&] {
      for (size_t i; (i = next++) < configs.size();)
        made[i] = compileProduct(nvrtc_, arch_, shape_, configs[i]);
    };
    std::vector<std::thread> threads =
        rt::startThreads(std::clamp<size_t>(options_.threads, 1, std::max<size_t>(configs.size(), 1)) - 1, work);
    work();
    for (std::thread &thread : threads)
      thread.join();
    for (size_t i = 0; i < made.size(); ++i) {
      if (*made[i])
        products_.push_back(made[i]->take());
      else if (i == 0 || !isRefusal(made[i]->status()))
        return made[i]->takeStatus();
      else
        ++refused_;
    }
    return rt::Status::ok();
  }

  rt::Status load() {
    for (const CompiledProduct &product : products_) {
      if (options_.dump)
        LLMC_TRY(options_.dump(nameOf(product.config), product));
      auto run = DeviceProductRun::load(stream_, product, shape_, *memory_);
      LLMC_TRY(run.status());
      runs_.push_back(run.take());
    }
    return rt::Status::ok();
  }

  /// "96x64_bf16m16k16_1.m8.k_warps4.splits1.panels1.held4".
  std::string nameOf(const ProductConfig &config) const {
    std::string name = cudaProductKey({shape_.n, shape_.k, shape_.layout, shape_.unitPanels});
    std::replace(name.begin(), name.end(), ',', '_');
    name += ".m" + std::to_string(shape_.mMax);
    for (const TunedNumber &number : productNumbers(config))
      name += "." + number.name + std::to_string(number.value);
    return name;
  }

  /// As many as fill a sample, each with weights of its own.
  rt::Status chooseCalls() {
    auto once = runs_[0]->seconds(*memory_, 1);
    LLMC_TRY(once.status());
    const auto wanted = static_cast<size_t>(options_.sampleSeconds / std::max(*once, 1e-7));
    calls_ = std::clamp<size_t>(wanted, 1, std::min<size_t>(memory_->copies, 1024));
    return rt::Status::ok();
  }

  /// Medians of the runs at `places`, in their order.
  rt::Result<std::vector<double>> inTurns(const std::vector<size_t> &places, int samples) {
    std::vector<std::vector<double>> times(places.size());
    for (int sample = 0; sample < samples; ++sample)
      for (size_t i = 0; i < places.size(); ++i) {
        auto seconds = runs_[places[i]]->seconds(*memory_, calls_);
        LLMC_TRY(seconds.status());
        times[i].push_back(*seconds);
      }
    std::vector<double> medians;
    for (auto &one : times)
      medians.push_back(medianOf(std::move(one)));
    return medians;
  }

  /// The least of many medians is lucky: both sides again, with more samples.
  rt::Result<DeviceTuned> confirm(size_t best) {
    DeviceTuned found{shape_, productNumbers(products_[best].config), 0, 0, runs_.size(), refused_};
    auto times = inTurns({0, best}, 3 * options_.samples);
    LLMC_TRY(times.status());
    found.modelSeconds = (*times)[0];
    found.seconds = (*times)[1];
    if (best == 0 || found.seconds > found.modelSeconds * (1 - options_.leastGain)) {
      found.numbers.clear();
      found.seconds = found.modelSeconds;
    }
    return found;
  }

  const Nvrtc &nvrtc_;
  const Arch &arch_;
  const rt::cuda::Stream &stream_;
  const ProductShape &shape_;
  const DeviceTuneOptions &options_;
  std::vector<CompiledProduct> products_;
  std::unique_ptr<DeviceProductMemory> memory_;
  std::vector<std::unique_ptr<DeviceProductRun>> runs_; ///< of products_
  size_t calls_ = 1, refused_ = 0;
};

} // namespace

rt::Result<DeviceTuned> tuneOnDevice(const Nvrtc &nvrtc, const Arch &arch, const rt::cuda::Stream &stream,
                                     const ProductShape &shape, const DeviceTuneOptions &options) {
  return DeviceSearch(nvrtc, arch, stream, shape, options).run();
}

} // namespace llmc
