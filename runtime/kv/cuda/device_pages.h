// KV pages in the memory of a CUDA device, copied in the order of its work.
#pragma once

#include <memory>

#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/stream.h"
#include "runtime/kv/page_memory.h"

namespace llmc::rt::cuda {

/// `stream`: the one that steps run in; it must outlive the pages. Errors: CU_MEMORY (69), those of Driver.
Result<std::unique_ptr<PageMemory>> devicePages(const Stream& stream, uint64_t bytes);

}  // namespace llmc::rt::cuda
