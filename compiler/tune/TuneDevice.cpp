// All candidates of a class are measured in turns: what disturbs the device meets each of them.
#include "compiler/tune/TuneDevice.h"

#include "compiler/tune/DeviceProduct.h"
#include "runtime/base/shortage.h"
#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

namespace llmc {

using Json = nlohmann::json;

/// Null where there is none: an engine's text may be anything.
static Json member(const Json &object, const char *name) {
  return object.is_object() && object.contains(name) ? object[name] : Json();
}

/// Classes that the variants of one kernel have.
static void addClasses(const Json &variants, std::set<int64_t> &classes) {
  for (const int64_t mMax : kCudaRowClasses)
    if (llvm::any_of(variants, [&](const Json &variant) { return member(variant, "m_max") == mMax; }))
      classes.insert(mMax);
}

/// What `read` makes of a member of each kernel that has one, each once, in their order; with the classes of all such.
template <typename Read> static auto keysOf(const Json &kernels, const char *name, Read read) {
  std::vector<std::pair<typename decltype(read(std::string()))::value_type, std::set<int64_t>>> list;
  std::map<std::string, size_t> places;
  for (const Json &kernel : kernels) {
    const Json key = member(kernel, name);
    auto found = key.is_string() ? read(key.get<std::string>()) : std::nullopt;
    if (!found)
      continue;
    auto [place, isNew] = places.try_emplace(key.get<std::string>(), list.size());
    if (isNew)
      list.push_back({*found, {}});
    addClasses(member(kernel, "variants"), list[place->second].second);
  }
  return list;
}

rt::Result<std::vector<std::unique_ptr<DeviceTask>>> deviceTasksOf(std::string_view explain,
                                                                   const AttentionLoad &load) {
  std::vector<std::unique_ptr<DeviceTask>> tasks;
  const Json kernels = member(Json::parse(explain, nullptr, /*allow_exceptions=*/false), "kernels");
  bool products = false;
  for (const auto &[product, classes] : keysOf(kernels, "product", readCudaProduct)) {
    products = true;
    for (const int64_t mMax : kCudaRowClasses)
      if (classes.contains(mMax))
        tasks.push_back(std::make_unique<DeviceProduct>(
            ProductShape{product.n, product.k, product.layout, mMax, product.unitPanels}));
  }
  if (!products)
    return rt::Status::error(rt::ErrorKind::kMismatch, "TUNE_TARGET",
                             "the engine does not say which products its kernels for CUDA compute",
                             "build it again with this llmc");
  for (const auto &[attention, classes] : keysOf(kernels, "attention", readAttentionKey))
    if (classes.contains(0))
      tasks.push_back(std::make_unique<DeviceAttention>(attention, load));
  return tasks;
}

namespace {

double medianOf(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// One that is legal by the model, but not for the compiler.
bool isRefusal(const rt::Status &status) {
  return status.code() == "CU_SPILL" || status.code() == "CU_SLOW" || status.code() == "CU_SHARED";
}

/// Results of each work.
using Values = std::vector<std::vector<float>>;

float largestOf(const std::vector<float> &values) {
  float largest = 0;
  for (float value : values)
    largest = std::isfinite(value) ? std::max(largest, std::abs(value)) : value;
  return largest;
}

/// Within a share of the largest expected one. What is no number is equal to nothing.
bool areEqual(const Values &got, const Values &expected, double tolerance) {
  for (size_t work = 0; work < expected.size(); ++work) {
    const double most = tolerance * static_cast<double>(largestOf(expected[work]));
    for (size_t i = 0; i < expected[work].size(); ++i)
      if (!(std::abs(static_cast<double>(got[work][i]) - static_cast<double>(expected[work][i])) <= most))
        return false;
  }
  return true;
}

class DeviceSearch {
public:
  DeviceSearch(const Nvrtc &nvrtc, const Arch &arch, const rt::cuda::Stream &stream, const DeviceTask &task,
               const DeviceTuneOptions &options)
      : nvrtc_(nvrtc), arch_(arch), stream_(stream), task_(task), options_(options) {}

  rt::Result<DeviceTuned> run() {
    LLMC_TRY(compile(task_.candidates(arch_, options_.candidates)));
    auto works = task_.works(stream_);
    LLMC_TRY(works.status());
    works_ = works.take();
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
  rt::Status compile(const std::vector<std::vector<TunedNumber>> &configs) {
    std::vector<std::optional<rt::Result<CompiledCandidate>>> made(configs.size());
    std::atomic<size_t> next{0};
    auto work = [&] {
      for (size_t i; (i = next++) < configs.size();)
        made[i] = compileCandidate(nvrtc_, arch_, task_, configs[i]);
    };
    std::vector<std::thread> threads =
        rt::startThreads(std::clamp<size_t>(options_.threads, 1, std::max<size_t>(configs.size(), 1)) - 1, work);
    work();
    for (std::thread &thread : threads)
      thread.join();
    for (size_t i = 0; i < made.size(); ++i) {
      if (*made[i])
        kernels_.push_back(made[i]->take());
      else if (i == 0 || !isRefusal(made[i]->status()))
        return made[i]->takeStatus();
      else
        ++refused_;
    }
    return rt::Status::ok();
  }

  /// Those whose results are those of the first.
  rt::Status load() {
    Values expected;
    for (const CompiledCandidate &kernel : kernels_) {
      if (options_.dump)
        LLMC_TRY(options_.dump(nameOf(kernel), kernel));
      auto run = DeviceRun::load(stream_, kernel);
      LLMC_TRY(run.status());
      auto values = valuesOf(**run);
      LLMC_TRY(values.status());
      if (runs_.empty())
        expected = values.take();
      for (const std::vector<float> &one : expected)
        if (!std::isfinite(largestOf(one)))
          return rt::Status::error(rt::ErrorKind::kInternal, "TUNE_RESULT",
                                   task_.family() + " " + task_.key() + " " + std::to_string(task_.mMax()) +
                                       ": the model's choice gives results that are not finite",
                                   "tests/gpu checks every kernel on this device");
      if (!runs_.empty() && !areEqual(*values, expected, options_.tolerance)) {
        ++wrong_;
        continue;
      }
      runs_.push_back(run.take());
      numbers_.push_back(kernel.numbers);
    }
    return rt::Status::ok();
  }

  rt::Result<Values> valuesOf(const DeviceRun &run) const {
    Values all;
    for (const DeviceWork &work : works_.works) {
      auto values = run.values(work);
      LLMC_TRY(values.status());
      all.push_back(values.take());
    }
    return all;
  }

  /// "linear.96x64_bf16m16k16_1.m8.k_warps4.splits1.panels1.held4".
  std::string nameOf(const CompiledCandidate &kernel) const {
    std::string name = task_.family() + "." + task_.key();
    std::replace(name.begin(), name.end(), ',', '_');
    name += ".m" + std::to_string(task_.mMax());
    for (const TunedNumber &number : kernel.numbers)
      name += "." + number.name + std::to_string(number.value);
    return name;
  }

  /// As many as fill a sample of each work, each with a copy of its own.
  rt::Status chooseCalls() {
    for (size_t i = 0; i < works_.works.size(); ++i) {
      auto once = runs_[0]->seconds(works_, i, 1);
      LLMC_TRY(once.status());
      const auto wanted = static_cast<size_t>(options_.sampleSeconds / std::max(*once, 1e-7));
      calls_.push_back(std::clamp<size_t>(wanted, 1, std::min<size_t>(works_.works[i].copies, 1024)));
    }
    return rt::Status::ok();
  }

  /// Of the runs at `places`, in their order: medians of each work, of these the geometric mean, so that each work has
  /// the same weight however long it takes.
  rt::Result<std::vector<double>> inTurns(const std::vector<size_t> &places, int samples) {
    std::vector<double> logs(places.size());
    for (size_t work = 0; work < works_.works.size(); ++work) {
      std::vector<std::vector<double>> times(places.size());
      for (int sample = 0; sample < samples; ++sample)
        for (size_t i = 0; i < places.size(); ++i) {
          auto seconds = runs_[places[i]]->seconds(works_, work, calls_[work]);
          LLMC_TRY(seconds.status());
          times[i].push_back(*seconds);
        }
      for (size_t i = 0; i < places.size(); ++i)
        logs[i] += std::log(std::max(medianOf(std::move(times[i])), 1e-12));
    }
    for (double &sum : logs)
      sum = std::exp(sum / static_cast<double>(works_.works.size()));
    return logs;
  }

  /// The least of many medians is lucky: both sides again, with more samples.
  rt::Result<DeviceTuned> confirm(size_t best) {
    DeviceTuned found{numbers_[best], 0, 0, runs_.size() + wrong_, refused_, wrong_, works_.what};
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
  const DeviceTask &task_;
  const DeviceTuneOptions &options_;
  std::vector<CompiledCandidate> kernels_;
  DeviceWorks works_;
  std::vector<std::unique_ptr<DeviceRun>> runs_;
  std::vector<std::vector<TunedNumber>> numbers_; ///< of runs_
  std::vector<size_t> calls_;                     ///< of each work
  size_t refused_ = 0, wrong_ = 0;
};

} // namespace

rt::Result<DeviceTuned> tuneOnDevice(const Nvrtc &nvrtc, const Arch &arch, const rt::cuda::Stream &stream,
                                     const DeviceTask &task, const DeviceTuneOptions &options) {
  return DeviceSearch(nvrtc, arch, stream, task, options).run();
}

} // namespace llmc
