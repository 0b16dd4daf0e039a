// Operations that the lanes of a warp do together: the last lane to arrive computes for all.
#include <algorithm>
#include <cstring>

#include "tests/emulator/block.h"

namespace llmc::emu {

u32 Block::warp(Fibre& self, const WarpRequest& request) {
  const u32 bit = 1u << self.lane;
  if (!(request.mask & bit)) fault(self, "a warp operation whose mask does not name its own lane", request.line);
  Warp& warp = warps_[self.warp];
  if (request.op != WarpOp::kSync && (request.mask & ~warp.live))
    fault(self, "a warp operation whose mask names lanes that have ended", request.line);
  self.request = request;
  warp.waiting |= bit;
  self.state = FibreState::kWarp;
  u32 need = 0;
  if (warpComplete(self.warp, self.lane, &need)) {
    completeWarp(self.warp, need, &self);
    // In ascending order the last lane goes on by itself and saves a switch.
    if (self.state == FibreState::kReady && plan_->checks.order == ThreadOrder::kAscending) return self.request.result;
  }
  switchAway(self);
  return self.request.result;
}

/// Whether all living lanes of a waiting lane's mask wait too.
bool Block::warpComplete(u32 warp, u32 lane, u32* need) const {
  *need = fibres_[warp * 32 + lane].request.mask & warps_[warp].live;
  return (warps_[warp].waiting & *need) == *need;
}

void Block::completeWarp(u32 index, u32 need, Fibre* self) {
  Warp& warp = warps_[index];
  Fibre* lanes = &fibres_[index * 32];
  const u32 first = (u32)__builtin_ctz(need);
  std::vector<Fibre*> woken;
  for (u32 lane = 0; lane < 32; ++lane) {
    if (!(need >> lane & 1)) continue;
    const WarpRequest &one = lanes[first].request, &other = lanes[lane].request;
    if (one.op != other.op || one.mask != other.mask) {
      fail("warp " + std::to_string(index) + ": lanes " + std::to_string(first) + " and " + std::to_string(lane) +
               " meet in different operations or masks (PTX lines " + std::to_string(one.line) + " and " +
               std::to_string(other.line) + ")",
           other.line);
      return;
    }
    if (&lanes[lane] != self || plan_->checks.order != ThreadOrder::kAscending) woken.push_back(&lanes[lane]);
  }
  warp.waiting &= ~need;
  ++checks_.counters().warpOperations;
  compute(lanes, need, lanes[first].request.op);
  if (self) self->state = FibreState::kReady;
  wake(woken);
}

void Block::compute(Fibre* lanes, u32 mask, WarpOp op) {
  switch (op) {
    case WarpOp::kSync:
      if (checks_.enabled()) {
        std::vector<u32> ids;
        for (u32 lane = 0; lane < 32; ++lane)
          if (mask >> lane & 1) ids.push_back(lanes[lane].index);
        checks_.join(ids);
      }
      return;
    case WarpOp::kShuffleIdx:
    case WarpOp::kShuffleUp:
    case WarpOp::kShuffleDown:
    case WarpOp::kShuffleButterfly:
      return shuffle(lanes, mask, op);
    case WarpOp::kLoadMatrix:
    case WarpOp::kStoreMatrix:
      return matrixCopy(lanes, op);
    case WarpOp::kMma:
      return mma(lanes);
    default:
      return op < WarpOp::kAdd ? vote(lanes, mask, op) : reduce(lanes, mask, op);
  }
}

/// shfl.sync: c holds the clamp in its low bits and the segment mask from bit 8 on.
void Block::shuffle(Fibre* lanes, u32 mask, WarpOp op) {
  for (u32 lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1)) continue;
    WarpRequest& request = lanes[lane].request;
    const s32 b = (s32)(request.b & 31), clamp = (s32)(request.c & 31), segment = (s32)(request.c >> 8 & 31);
    const s32 me = (s32)lane, low = me & segment, high = low | (clamp & ~segment);
    s32 source = me;
    bool inside = true;
    switch (op) {
      case WarpOp::kShuffleUp:
        source = me - b, inside = source >= high;
        break;
      case WarpOp::kShuffleDown:
        source = me + b, inside = source <= high;
        break;
      case WarpOp::kShuffleButterfly:
        source = me ^ b, inside = source <= high;
        break;
      default:
        source = low | (b & ~segment), inside = source <= high;
    }
    if (!inside) source = me;
    if (!(mask >> source & 1)) {
      fail("thread " + std::to_string(lanes[lane].linear) + ": a shuffle reads lane " + std::to_string(source) +
               ", which its mask does not name",
           request.line);
      return;
    }
    request.result = lanes[source].request.a;
    lanes[lane].predicate = inside;
  }
}

/// Votes, matches and elect.
void Block::vote(Fibre* lanes, u32 mask, WarpOp op) {
  u32 ballot = 0;
  for (u32 lane = 0; lane < 32; ++lane)
    if ((mask >> lane & 1) && lanes[lane].request.a) ballot |= 1u << lane;
  for (u32 lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1)) continue;
    u32 equal = 0;
    for (u32 other = 0; other < 32; ++other)
      if ((mask >> other & 1) && lanes[other].request.a == lanes[lane].request.a) equal |= 1u << other;
    u32& result = lanes[lane].request.result;
    lanes[lane].predicate = equal == mask;
    switch (op) {
      case WarpOp::kVoteAll:
        result = ballot == mask;
        break;
      case WarpOp::kVoteAny:
        result = ballot != 0;
        break;
      case WarpOp::kVoteUniform:
        result = ballot == mask || ballot == 0;
        break;
      case WarpOp::kBallot:
        result = ballot;
        break;
      case WarpOp::kMatchAny:
        result = equal;
        break;
      case WarpOp::kMatchAll:
        result = equal == mask ? mask : 0;
        break;
      default:
        result = (u32)__builtin_ctz(mask);
        lanes[lane].predicate = lane == result;
    }
  }
}

void Block::reduce(Fibre* lanes, u32 mask, WarpOp op) {
  auto number = [](u32 bits) { return __builtin_bit_cast(float, bits); };
  u32 total = lanes[__builtin_ctz(mask)].request.a;
  for (u32 lane = (u32)__builtin_ctz(mask) + 1; lane < 32; ++lane) {
    if (!(mask >> lane & 1)) continue;
    const u32 a = lanes[lane].request.a;
    switch (op) {
      case WarpOp::kAdd:
        total += a;
        break;
      case WarpOp::kAnd:
        total &= a;
        break;
      case WarpOp::kOr:
        total |= a;
        break;
      case WarpOp::kXor:
        total ^= a;
        break;
      case WarpOp::kMinSigned:
        total = (u32)std::min((s32)total, (s32)a);
        break;
      case WarpOp::kMaxSigned:
        total = (u32)std::max((s32)total, (s32)a);
        break;
      case WarpOp::kMinUnsigned:
        total = std::min(total, a);
        break;
      case WarpOp::kMaxUnsigned:
        total = std::max(total, a);
        break;
      case WarpOp::kMinFloat:
        total = number(a) < number(total) ? a : total;
        break;
      default:
        total = number(a) > number(total) ? a : total;
    }
  }
  for (u32 lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) lanes[lane].request.result = total;
}

}  // namespace llmc::emu
