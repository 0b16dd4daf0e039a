// OS threads that live as long as the process and run the blocks of launches.
#pragma once

#include <functional>

namespace llmc::emu {

/// Runs `work` on the caller and on up to `helpers` other threads at once; returns when all have come back. Several
/// callers may do so at once.
void runOnWorkers(unsigned helpers, const std::function<void()>& work);

}  // namespace llmc::emu
