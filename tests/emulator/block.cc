// Scheduling of an emulated block: fibres, barriers, deadlocks.
#include "tests/emulator/block.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tests/emulator/wild_access.h"

namespace llmc::emu {
namespace {

constexpr u32 kMaxThreads = 1024;

std::string three(const Dim3& id) {
  return "(" + std::to_string(id.x) + "," + std::to_string(id.y) + "," + std::to_string(id.z) + ")";
}

}  // namespace

Block::Block()
    : stacks_(kMaxThreads),
      shared_(static_cast<u8*>(std::aligned_alloc(4096, size_t{kMaxBlocks} * kSharedWindow)), std::free),
      fibres_(kMaxThreads) {
  catchWildAccesses();
}

uint64_t Block::random() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_;
}

void Block::fail(const std::string& what, u32 line, u32 rank) {
  if (failure_.empty())
    failure_ = plan_->kernel + ": block " + three(members_[rank].id) + ": " + what + " (PTX line " +
               std::to_string(line) + ")";
}

void Block::fault(Fibre& self, const std::string& what, u32 line) {
  fail("thread " + std::to_string(self.linear) + ": " + what, line, self.clusterRank);
  switchTo(&self.stackPointer, nullptr);
  __builtin_unreachable();
}

/// `next` null: back to the scheduler.
void Block::switchTo(void** save, Fibre* next) {
  running_ = next;
  llmcEmulatorSwitch(save, next ? next->stackPointer : schedulerStack_);
}

bool Block::wildAccess(const void* address, WildAccess* landing) {
  if (!running_) return false;
  Fibre& self = *running_;
  char hex[32];
  std::snprintf(hex, sizeof hex, "0x%llx", (unsigned long long)address);
  std::string what = "thread " + std::to_string(self.linear) + ": illegal address ";
  if (stacks_.contains(address))
    what = "thread " + std::to_string(self.linear) + ": the emulator's stack of a thread is full";
  else if (plan_->checks.memory)
    what += plan_->checks.memory->describe((uint64_t)address);
  else
    what += hex;
  fail(what, 0, self.clusterRank);
  *landing = {stacks_.top(self.index), &self.stackPointer, schedulerStack_};
  running_ = nullptr;
  return true;
}

void Block::prepare(const Dim3& id) {
  const u32 blocks = plan_->cluster;
  blockThreads_ = (u32)plan_->block.count();
  threads_ = live_ = blocks * blockThreads_;
  arrived_ = clusterPhase_ = 0;
  members_.assign(blocks, Member());
  for (u32 rank = 0; rank < blocks; ++rank) {
    members_[rank].id = {id.x + rank, id.y, id.z};
    members_[rank].live = blockThreads_;
  }
  warps_.assign((threads_ + 31) / 32, Warp());
  warpgroups_.clear();
  warpgroups_.resize((warps_.size() + 3) / 4);
  ready_.clear();
  bulk_.clear();
  failure_.clear();
  random_ = (plan_->checks.seed + id.x + id.y * 977 + id.z * 65537) * 0x9E3779B97F4A7C15ull | 1;
  if (plan_->checks.poisonShared && plan_->sharedEnd > kSharedBase)
    for (u32 rank = 0; rank < blocks; ++rank)
      std::memset(shared_.get() + placeIn(rank, kSharedBase), 0xff, plan_->sharedEnd - kSharedBase);
  checks_.reset(plan_->checks, {threads_, blockThreads_, blocks, kSharedWindow, plan_->sharedEnd, shared_.get()},
                plan_->kernel + ", block " + three(id));
  checks_.setGlobals(&plan_->globals);
  for (u32 i = 0; i < threads_; ++i) prepareThread(i);
}

void Block::prepareThread(u32 index) {
  Fibre& fibre = fibres_[index];
  const u32 rank = index / blockThreads_, linear = index % blockThreads_;
  const Dim3 &block = plan_->block, &grid = plan_->grid, &id = members_[rank].id;
  fibre.services = &services();
  fibre.shared = shared_.get() + placeIn(rank, 0);
  fibre.sharedEnd = plan_->sharedEnd;
  fibre.dynamicShared = plan_->dynamicShared;
  fibre.params = reinterpret_cast<const u8*>(plan_->params);
  fibre.globals = plan_->globalMemory;
  const u32 tid[3] = {linear % block.x, linear / block.x % block.y, linear / (block.x * block.y)};
  const u32 ctaid[3] = {id.x, id.y, id.z}, ntid[3] = {block.x, block.y, block.z}, ncta[3] = {grid.x, grid.y, grid.z};
  std::copy(tid, tid + 3, fibre.tid);
  std::copy(ctaid, ctaid + 3, fibre.ctaid);
  std::copy(ntid, ntid + 3, fibre.ntid);
  std::copy(ncta, ncta + 3, fibre.nctaid);
  fibre.linear = linear;
  fibre.index = index;
  fibre.clusterRank = rank;
  fibre.clusterSize = plan_->cluster;
  fibre.lane = linear % 32;
  fibre.warp = index / 32;
  fibre.owner = this;
  fibre.copies.clear();
  fibre.groups.clear();
  fibre.spins = 0;
  fibre.arrived = false;
  fibre.early = plan_->early;
  fibre.variant = plan_->checks.variant;
  fibre.instructions = 0;
  fibre.jumps = 0;
  warps_[fibre.warp].live |= 1u << fibre.lane;
  fibre.stackPointer = stacks_.prepare(index, &Block::main, &fibre);
}

std::string Block::run(const LaunchPlan& plan, const Dim3& id) {
  plan_ = &plan;
  prepare(id);
  std::vector<Fibre*> all;
  for (u32 i = 0; i < threads_; ++i) all.push_back(&fibres_[i]);
  wake(all);
  setRunningBlock(this);
  schedule();
  setRunningBlock(nullptr);
  if (failure_.empty() && live_ != 0) reportDeadlock();
  u64 instructions = 0;
  for (u32 i = 0; i < threads_; ++i) instructions += fibres_[i].instructions;
  checks_.finish(instructions);
  std::string reports = checks_.text();
  if (failure_.empty() || reports.empty()) return failure_ + reports;
  return failure_ + "\n" + reports;
}

void Block::schedule() {
  while (failure_.empty()) {
    if (!ready_.empty()) {
      Fibre* next = ready_.back();
      ready_.pop_back();
      switchTo(&schedulerStack_, next);
    } else if (!bulk_.empty()) {
      size_t pick = plan_->checks.order == ThreadOrder::kRandom ? random() % bulk_.size() : 0;
      BulkRequest request = bulk_[pick];
      bulk_.erase(bulk_.begin() + (ptrdiff_t)pick);
      landBulk(request);
    } else {
      return;
    }
  }
}

void Block::reportDeadlock() {
  u32 counts[7] = {}, line = 0;
  const Fibre* first = nullptr;
  for (u32 i = 0; i < threads_; ++i) {
    ++counts[(size_t)fibres_[i].state];
    if (fibres_[i].state != FibreState::kDone && !first) first = &fibres_[i];
  }
  std::string what;
  switch (first->state) {
    case FibreState::kWarp:
      line = first->request.line;
      what = "a warp operation";
      break;
    case FibreState::kBarrier:
      line = first->barrierLine;
      what = "barrier " + std::to_string(first->barrier);
      break;
    case FibreState::kMbarrier:
      line = first->barrierLine;
      what = "the mbarrier at shared address " + std::to_string(first->barrier % kSharedWindow);
      break;
    case FibreState::kCluster:
      line = first->barrierLine;
      what = "the cluster's barrier";
      break;
    default:
      line = first->barrierLine;
      what = "a warpgroup operation";
  }
  fail("deadlock: " + std::to_string(live_) + " threads never finish (" + std::to_string(counts[1]) +
           " in warp operations, " + std::to_string(counts[2]) + " at barriers, " + std::to_string(counts[3]) +
           " at mbarriers, " + std::to_string(counts[4]) + " in warpgroup operations, " +
           (counts[5] ? std::to_string(counts[5]) + " at the cluster's barrier, " : "") + std::to_string(counts[6]) +
           " have finished); thread " + std::to_string(first->linear) + " waits at " + what,
       line, first->clusterRank);
}

void Block::main(void* fibre) {
  auto& self = *static_cast<Fibre*>(fibre);
  self.owner->plan_->body(&self);
  self.owner->exit(self);
}

void Block::exit(Fibre& self) {
  finish(self);
  switchAway(self);
  __builtin_unreachable();
}

/// Lets the next ready fibre run; comes back when this one is woken.
void Block::switchAway(Fibre& self) {
  Fibre* next = nullptr;
  if (!ready_.empty() && failure_.empty()) {
    next = ready_.back();
    ready_.pop_back();
    if (next == &self) return;
  }
  switchTo(&self.stackPointer, next);
}

/// A thread that polls memory lets the others go on.
void Block::pause(Fibre& self) {
  if (++self.spins > 1000000) fault(self, "polls memory forever", 0);
  self.state = FibreState::kReady;
  ready_.insert(ready_.begin(), &self);
  if (ready_.size() == 1 && !bulk_.empty()) {
    BulkRequest request = bulk_.front();
    bulk_.erase(bulk_.begin());
    landBulk(request);
  }
  switchAway(self);
}

/// Makes fibres, given in ascending order, ready so that they run in the launch's order.
void Block::wake(std::vector<Fibre*>& fibres) {
  if (plan_->checks.order == ThreadOrder::kAscending) std::reverse(fibres.begin(), fibres.end());
  if (plan_->checks.order == ThreadOrder::kRandom)
    for (size_t i = fibres.size(); i > 1; --i) std::swap(fibres[i - 1], fibres[random() % i]);
  for (Fibre* fibre : fibres) {
    fibre->state = FibreState::kReady;
    ready_.push_back(fibre);
  }
}

/// A thread has ended: what waits for all living threads may be complete now.
void Block::finish(Fibre& self) {
  self.state = FibreState::kDone;
  Member& member = members_[self.clusterRank];
  --live_;
  --member.live;
  if (self.arrived) --arrived_;
  Warp& warp = warps_[self.warp];
  warp.live &= ~(1u << self.lane);
  for (u32 lane = 0; lane < 32; ++lane) {
    u32 need = 0;
    if ((warp.waiting >> lane & 1) && warpComplete(self.warp, lane, &need)) completeWarp(self.warp, need, nullptr);
  }
  for (u32 id = 0; id < 16; ++id)
    if (member.barriers[id].arrived && member.barriers[id].need == 0) tryRelease(self.clusterRank, id);
  tryReleaseCluster();
}

u32 Block::barrier(Fibre& self, BarrierKind kind, u32 id, u32 count, u32 predicate, u32 line) {
  if (id > 15) fault(self, "barrier " + std::to_string(id) + " of 16", line);
  if (count % 32) fault(self, "a barrier of " + std::to_string(count) + " threads, not whole warps", line);
  BarrierState& state = members_[self.clusterRank].barriers[id];
  if (state.arrived == 0) state = BarrierState{0, count, 0, true, false};
  if (state.need != count)
    fault(self,
          "barrier " + std::to_string(id) + " used for " + std::to_string(state.need) + " and for " +
              std::to_string(count) + " threads at once",
          line);
  ++state.arrived;
  state.count += predicate != 0;
  state.all = state.all && predicate;
  state.any = state.any || predicate;
  self.barrier = id;
  self.barrierLine = line;
  if (kind == BarrierKind::kArrive) {
    checks_.release(~(self.clusterRank * 16 + id), self.index);
    tryRelease(self.clusterRank, id);
    return 0;
  }
  self.state = FibreState::kBarrier;
  tryRelease(self.clusterRank, id);
  switchAway(self);
  return kind == BarrierKind::kCount ? self.barrierResult & 0xffff
         : kind == BarrierKind::kAnd ? self.barrierResult >> 30 & 1
                                     : self.barrierResult >> 31;
}

void Block::tryRelease(u32 rank, u32 id) {
  BarrierState& state = members_[rank].barriers[id];
  if (state.arrived == (state.need ? state.need : members_[rank].live)) release(rank, id, state);
}

void Block::release(u32 rank, u32 id, BarrierState& state) {
  ++checks_.counters().barriers;
  std::vector<Fibre*> waiting;
  std::vector<u32> ids;
  for (u32 i = rank * blockThreads_, end = i + blockThreads_; i < end; ++i) {
    if (fibres_[i].state != FibreState::kBarrier || fibres_[i].barrier != id) continue;
    fibres_[i].barrierResult = state.count | (u32)state.all << 30 | (u32)state.any << 31;
    waiting.push_back(&fibres_[i]);
    ids.push_back(i);
  }
  state.arrived = 0;
  if (checks_.enabled()) {
    checkConverged(id, waiting);
    for (u32 thread : ids) checks_.acquire(~(rank * 16 + id), thread);
    checks_.join(ids);
  }
  wake(waiting);
}

/// bar.sync is for whole warps: all living lanes must meet at one instruction.
void Block::checkConverged(u32 id, const std::vector<Fibre*>& fibres) {
  std::vector<u32> lanes(warps_.size(), 0), lines(warps_.size(), 0);
  for (const Fibre* fibre : fibres) {
    lanes[fibre->warp] |= 1u << fibre->lane;
    if (lines[fibre->warp] && lines[fibre->warp] != fibre->barrierLine) {
      checks_.report("divergent barrier " + std::to_string(id) + ": lanes of a warp meet it at PTX lines " +
                         std::to_string(lines[fibre->warp]) + " and " + std::to_string(fibre->barrierLine),
                     fibre->index, fibre->barrierLine);
      return;
    }
    lines[fibre->warp] = fibre->barrierLine;
  }
  for (const Fibre* fibre : fibres) {
    if (lanes[fibre->warp] == warps_[fibre->warp].live) continue;
    checks_.report("divergent barrier " + std::to_string(id) + ": only some lanes of the warp reach it", fibre->index,
                   fibre->barrierLine);
    return;
  }
}

u8* Block::sharedAt(Fibre& self, u32 address, u32 bytes, u32 line) {
  if (address < kSharedBase || address + bytes > plan_->sharedEnd)
    fault(self,
          "shared address " + std::to_string(address) + " is outside the launch's memory, which ends at " +
              std::to_string(plan_->sharedEnd),
          line);
  return shared_.get() + placeOf(self, address);
}

}  // namespace llmc::emu
