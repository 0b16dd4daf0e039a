// How many KV pages a run gets and how long a context they hold: pure arithmetic with numbers in every refusal.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"

namespace llmc::rt {

/// What decides the size of the cache. Zero means "not given" for the two wishes.
struct KvRequest {
  uint64_t pageBytes = 0;       ///< of all layers, from the engine
  uint32_t modelPositions = 0;  ///< longest context of the model, tokens
  uint64_t kvMemoryBytes = 0;   ///< --kv-memory
  uint32_t maxModelLen = 0;     ///< --max-model-len, tokens
  uint32_t sequences = 1;       ///< sequences that must fit together at full length
  uint64_t availableBytes = 0;  ///< memory that may be taken when --kv-memory is not given
  uint64_t machineBytes = 0;    ///< all memory that this process may have at most; 0: not known
  bool onDevice = false;        ///< availableBytes is what a device has left: all of it may be taken, and no more
};

struct KvPlan {
  uint32_t pages = 0;
  uint32_t contextTokens = 0;  ///< longest sequence that the run accepts
  uint64_t bytes = 0;          ///< pages * pageBytes
};

/// Without wishes: the model's whole context, or what three quarters of the available memory (on a device: all of it)
/// hold if that is less.
/// Errors: RT_CONTEXT (64) longer than the model allows; RT_KV_MEMORY (69) does not fit, or more than
/// the machine has, with sizes on both sides.
Result<KvPlan> planKv(const KvRequest& request);

/// What decides how many pages the host keeps of sequences that lost their place.
struct SwapRequest {
  uint64_t wishBytes = 0;  ///< --swap-space, or the most that is taken without it
  bool given = false;      ///< a wish is kept or refused, the default bends
  uint64_t pageBytes = 0;
  uint64_t kvBytes = 0;         ///< of the KV cache, where it lies in host memory too
  uint64_t availableBytes = 0;  ///< host memory now; the cache may not have touched its own yet
  uint64_t machineBytes = 0;    ///< all memory that this process may have at most; 0: not known
};

/// Pages; without a wish at most half of what the cache leaves of the available memory.
/// Errors: CLI_FLAG (64) not one page; RT_SWAP_SPACE (69) more than the machine has beside the cache, with the numbers.
Result<uint32_t> planSwap(const SwapRequest& request);

}  // namespace llmc::rt
