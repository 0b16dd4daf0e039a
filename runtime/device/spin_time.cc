// One stretch after the other.
#include "runtime/device/spin_time.h"

#include <utility>

namespace llmc::rt {

void SpinTime::look(uint64_t now, uint64_t waited) {
  const uint64_t stretch = now - std::exchange(lookedAt_, now), taken = waited - std::exchange(waited_, waited);
  // Between steps nobody is ready to run, and what came before them says nothing of now.
  if (stretch > kStale) return;
  if (static_cast<double>(taken) > kTaken * static_cast<double>(stretch)) aloneFrom_ = now + kPause;
}

}  // namespace llmc::rt
