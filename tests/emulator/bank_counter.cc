// Bank conflicts of a warp's accesses.
#include "tests/emulator/bank_counter.h"

#include <algorithm>
#include <vector>

namespace llmc::emu {

void BankCounter::access(const Thread& thread, u32 offset, u32 bytes, u32 line) {
  Place& place = places_[(u64)thread.warp << 32 | line];
  const u32 visit = place.visits[thread.lane]++;
  if (visit < place.first) return;
  while (place.open.size() <= visit - place.first) place.open.emplace_back();
  Request& request = place.open[visit - place.first];
  request.lanes |= 1u << thread.lane;
  request.bytes = bytes;
  request.offset[thread.lane] = offset;
  while (!place.open.empty() && place.open.front().lanes == ~0u) {
    count(place.open.front());
    place.open.pop_front();
    ++place.first;
  }
}

void BankCounter::finish() {
  for (auto& [key, place] : places_)
    for (const Request& request : place.open)
      if (request.lanes) count(request);
  places_.clear();
}

/// 32 banks of 4 bytes serve one word each at a time; accesses of 8 and 16 bytes are served half and a quarter of a
/// warp at a time.
void BankCounter::count(const Request& request) {
  const u32 group = request.bytes == 16 ? 8 : request.bytes == 8 ? 16 : 32;
  for (u32 first = 0; first < 32; first += group) {
    std::vector<u32> words;
    for (u32 lane = first; lane < first + group; ++lane)
      if (request.lanes >> lane & 1)
        for (u32 word = request.offset[lane] / 4; word <= (request.offset[lane] + request.bytes - 1) / 4; ++word)
          words.push_back(word);
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    u32 used[32] = {}, passes = 0;
    for (u32 word : words) passes = std::max(passes, ++used[word % 32]);
    requests_ += passes != 0;
    wavefronts_ += passes;
  }
}

}  // namespace llmc::emu
