// Context length, and what the host keeps beside it, against memory.
#include "runtime/kv/kv_plan.h"

#include <algorithm>

#include "runtime/base/checked.h"
#include "runtime/device/memory.h"
#include "runtime/format/kernel_abi.h"

namespace llmc::rt {
namespace {

uint64_t pagesFor(uint64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

Status doesNotFit(const KvRequest& request, uint64_t tokens, uint64_t budget) {
  const uint64_t fits = budget / request.pageBytes / request.sequences * kPageTokens;
  const auto need = checkedMul(pagesFor(tokens) * request.sequences, request.pageBytes);
  std::string text = "a context of " + std::to_string(tokens) + " tokens";
  if (request.sequences > 1) text += " for each of " + std::to_string(request.sequences) + " sequences";
  text += " needs " + (need ? formatBytes(*need) : std::string("more than 16 EiB")) + " of KV memory, ";
  text += request.kvMemoryBytes ? "--kv-memory allows "
          : request.onDevice    ? "the device has left "
                                : "three quarters of free memory are ";
  text += formatBytes(budget) + " (" + std::to_string(fits) + " tokens)";
  return Status::error(ErrorKind::kUnavailable, "RT_KV_MEMORY", std::move(text),
                       request.kvMemoryBytes ? "raise --kv-memory or lower --max-model-len" : "lower --max-model-len");
}

}  // namespace

Result<KvPlan> planKv(const KvRequest& request) {
  if (request.pageBytes == 0 || request.modelPositions == 0 || request.sequences == 0)
    return Status::error(ErrorKind::kInternal, "RT_KV_MEMORY", "KV geometry of the engine is empty");
  if (request.maxModelLen > request.modelPositions)
    return Status::error(ErrorKind::kUsage, "RT_CONTEXT",
                         "--max-model-len " + std::to_string(request.maxModelLen) + " is longer than the " +
                             std::to_string(request.modelPositions) + " tokens the model was made for");
  if (request.onDevice && request.kvMemoryBytes > request.availableBytes)
    return Status::error(ErrorKind::kUnavailable, "RT_KV_MEMORY",
                         "--kv-memory is " + formatBytes(request.kvMemoryBytes) +
                             ", and beside the engine the device has " + formatBytes(request.availableBytes) + " left",
                         "lower --kv-memory, or leave it out to take what is left");
  if (!request.onDevice && request.machineBytes && request.kvMemoryBytes > request.machineBytes)
    return Status::error(ErrorKind::kUnavailable, "RT_KV_MEMORY",
                         "--kv-memory asks for " + formatBytes(request.kvMemoryBytes) + ", and this process may have " +
                             formatBytes(request.machineBytes) + " of memory in all, of which " +
                             formatBytes(request.availableBytes) + " are available now: they hold the KV of " +
                             std::to_string(request.availableBytes / request.pageBytes * kPageTokens) + " tokens",
                         "lower --kv-memory, or leave it out");
  const uint64_t spare = request.onDevice ? request.availableBytes : request.availableBytes / 4 * 3;
  const uint64_t budget = request.kvMemoryBytes ? request.kvMemoryBytes : spare;
  const uint64_t wanted = request.maxModelLen ? request.maxModelLen : request.modelPositions;
  const uint64_t pagesInBudget = budget / request.pageBytes;
  const uint64_t perSequence = std::min(pagesFor(wanted), pagesInBudget / request.sequences);
  // A wish for a length is a promise; the default bends to the memory there is, down to one page a sequence.
  if (perSequence == 0 || (request.maxModelLen && perSequence < pagesFor(wanted)))
    return doesNotFit(request, request.maxModelLen ? wanted : kPageTokens, budget);
  KvPlan plan;
  plan.contextTokens = static_cast<uint32_t>(std::min<uint64_t>(wanted, perSequence * kPageTokens));
  // --kv-memory names the pool's size; pages beyond the longest sequences would never be used by one process.
  const uint64_t pages = perSequence * request.sequences;
  const auto bytes = checkedMul(pages, request.pageBytes);
  if (!bytes || pages > INT32_MAX / kPageTokens) return doesNotFit(request, wanted, budget);  // slots are 32 bit
  plan.pages = static_cast<uint32_t>(pages);
  plan.bytes = *bytes;
  return plan;
}

Result<uint32_t> planSwap(const SwapRequest& request) {
  const uint64_t spare = request.availableBytes - std::min(request.availableBytes, request.kvBytes);
  const uint64_t bytes = request.given ? request.wishBytes : std::min(request.wishBytes, spare / 2);
  if (bytes < request.pageBytes)
    return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                         std::string(request.given ? "--swap-space " : "half of the memory that is left, ") +
                             formatBytes(bytes) + ", holds no KV page of " + formatBytes(request.pageBytes),
                         "raise --swap-space, or use --preempt recompute");
  const uint64_t most = request.machineBytes - std::min(request.machineBytes, request.kvBytes);
  if (request.machineBytes && bytes > most)
    return Status::error(ErrorKind::kUnavailable, "RT_SWAP_SPACE",
                         "--swap-space asks for " + formatBytes(bytes) + " beside a KV cache of " +
                             formatBytes(request.kvBytes) + ", and this process may have " +
                             formatBytes(request.machineBytes) + " of memory in all, of which " +
                             formatBytes(request.availableBytes) + " are available now",
                         "lower --swap-space or --kv-memory, or use --preempt recompute");
  return static_cast<uint32_t>(std::min<uint64_t>(bytes / request.pageBytes, INT32_MAX / kPageTokens));
}

}  // namespace llmc::rt
