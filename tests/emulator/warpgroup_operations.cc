// wgmma: matrix products of a warpgroup whose operands lie in shared memory behind descriptors.
#include <algorithm>
#include <cstring>

#include "tests/emulator/block.h"
#include "tests/emulator/element.h"

namespace llmc::emu {

/// Whether this thread is the last of its 128 to come to an operation of a kind; the others sleep.
bool Block::warpgroupMeets(Fibre& self, u32 kind, u32 line) {
  Warpgroup& group = warpgroups_[self.warp / 4];
  if (group.arrived == 0) group.kind = kind, group.line = line;
  if (group.kind != kind || group.line != line)
    fault(self, "threads of a warpgroup meet in different operations (PTX line " + std::to_string(group.line) + ")",
          line);
  self.barrierLine = line;
  if (++group.arrived < 128) {
    self.state = FibreState::kWarpgroup;
    switchAway(self);
    return false;
  }
  group.arrived = 0;
  std::vector<Fibre*> others;
  for (u32 i = self.warp / 4 * 128, end = i + 128; i < end; ++i)
    if (&fibres_[i] != &self) others.push_back(&fibres_[i]);
  wake(others);
  return true;
}

void Block::wgmma(Fibre& self, const WgmmaShape* shape, u32* const* d, u32* const* a, u64 descriptorA, u64 descriptorB,
                  u32 scaleD, u32 line) {
  Warpgroup& group = warpgroups_[self.warp / 4];
  if (!group.pending) group.pending = std::make_unique<WarpgroupMma>();
  WarpgroupMma& pending = *group.pending;
  if (group.arrived && (pending.descriptorB != descriptorB || pending.scaleD != scaleD ||
                        (!shape->registersA && pending.descriptorA != descriptorA)))
    fault(self, "descriptors of a wgmma differ within the warpgroup", line);
  const u32 thread = self.index % 128;
  pending.shape = shape;
  pending.d[thread] = d;
  for (u32 i = 0; a && i < 4; ++i) {
    pending.fragments.registers[thread][i] = a[i];
    pending.fragments.values[thread][i] = *a[i];
  }
  pending.descriptorA = descriptorA;
  pending.descriptorB = descriptorB;
  pending.scaleD = scaleD;
  pending.line = line;
  // The others wait with their registers where the last one writes them.
  if (group.arrived == 127) {
    if (checks_.enabled()) {
      const u32 bytes = shape->k * elementBits(shape->a) / 8;
      pending.fragments.line = line;
      if (shape->registersA)
        group.fragments.push_back(pending.fragments);
      else
        group.reads.push_back({descriptorA, 64, bytes, line});
      group.reads.push_back({descriptorB, shape->n, bytes, line});
      readOperand(self, group.reads.back());
      group.products.push_back(line);
    }
    warpgroupCompute(self, pending);
  }
  warpgroupMeets(self, 1, line);
}

void Block::wgmmaCommit(Fibre& self, u32 line) {
  if (!warpgroupMeets(self, 2, line)) return;
  Warpgroup& group = warpgroups_[self.warp / 4];
  group.groups.push_back({group.reads.size(), group.fragments.size(), group.products.size()});
}

/// Products are computed when they are issued, but may read until here: each warp reads at its wait, so that a slot of
/// a ring given back before it is a race, and a register that has another value than at the issue was written too
/// early.
void Block::wgmmaWait(Fibre& self, u32 pendingGroups, u32 line) {
  if (!warpgroupMeets(self, 3 + pendingGroups, line)) return;
  Warpgroup& group = warpgroups_[self.warp / 4];
  if (group.groups.size() <= pendingGroups) return;
  const size_t done = group.groups.size() - pendingGroups;
  const WarpgroupGroup ends = group.groups[done - 1];
  for (size_t i = 0; i < ends.reads; ++i)
    for (u32 warp = self.warp / 4 * 4, end = warp + 4; warp < end; ++warp)
      readOperand(fibres_[(size_t)warp * 32], group.reads[i]);
  for (size_t i = 0; i < ends.fragments; ++i) checkFragments(self, group.fragments[i], line);
  group.reads.erase(group.reads.begin(), group.reads.begin() + (ptrdiff_t)ends.reads);
  group.fragments.erase(group.fragments.begin(), group.fragments.begin() + (ptrdiff_t)ends.fragments);
  group.products.erase(group.products.begin(), group.products.begin() + (ptrdiff_t)ends.products);
  group.groups.erase(group.groups.begin(), group.groups.begin() + (ptrdiff_t)done);
  for (WarpgroupGroup& one : group.groups)
    one = {one.reads - ends.reads, one.fragments - ends.fragments, one.products - ends.products};
}

/// A product that is under way leaves its sums when it likes: until a wait for it nobody else may read or write them.
void Block::wgmmaSums(Fibre& self, const u32* lines, u32 count, u32 line) {
  for (const u32 product : warpgroups_[self.warp / 4].products)
    if (std::find(lines, lines + count, product) != lines + count)
      fault(self, "sums of the wgmma at PTX line " + std::to_string(product) + " are used before a wait for it", line);
}

/// All threads of the warpgroup are at the wait: their registers are where they were.
void Block::checkFragments(Fibre& self, const Fragments& fragments, u32 line) {
  for (u32 thread = 0; thread < 128; ++thread)
    for (u32 i = 0; i < 4; ++i)
      if (*fragments.registers[thread][i] != fragments.values[thread][i])
        fault(self,
              "a register of operand A of the wgmma at PTX line " + std::to_string(fragments.line) +
                  " was written before a wait for it (thread " + std::to_string(thread) + " of its warpgroup)",
              line);
}

void Block::readOperand(const Fibre& lane, const WarpgroupRead& read) {
  for (u32 row = 0; row < read.rows; ++row)
    for (u32 byte = 0; byte < read.bytes; byte += 16)
      checks_.asyncRead(lane, descriptorAt(lane, read.descriptor, row, byte, false, read.line), 16, read.line);
}

/// An element of an operand with rows of 128 bytes, swizzled: groups of eight rows lie a stride apart.
const u8* Block::descriptorAt(const Fibre& lane, u64 descriptor, u32 row, u32 byte, bool transpose, u32 line) {
  if (descriptor >> 62 != 1 || transpose) {
    fail("wgmma: only operands with K contiguous and a swizzle of 128 bytes are emulated", line, lane.clusterRank);
    return shared_.get() + kSharedBase;
  }
  const u32 start = (u32)(descriptor & 0x3fff) << 4, stride = (u32)(descriptor >> 32 & 0x3fff) << 4;
  u32 address = start + row / 8 * stride + row % 8 * 128 + byte;
  address ^= (address >> 7 & 7) << 4;
  if (address < kSharedBase || address >= plan_->sharedEnd) {
    fail("wgmma: an operand outside the launch's shared memory", line, lane.clusterRank);
    return shared_.get() + kSharedBase;
  }
  return shared_.get() + placeOf(lane, address);
}

void Block::warpgroupCompute(const Fibre& lane, WarpgroupMma& mma) {
  const WgmmaShape& shape = *mma.shape;
  ++checks_.counters().mmas;
  const u32 bytes = elementBits(shape.a) / 8;
  if (shape.d != Element::kF32 || bytes > 2) return fail("wgmma: only f32 sums of 8- and 16-bit operands", mma.line);
  static thread_local float a[64][32], b[32][256], d[64][256];
  for (u32 k = 0; k < shape.k; ++k) {
    u16 bits = 0;
    for (u32 row = 0; row < 64; ++row) {
      if (shape.registersA) {
        // As operand A of mma.m16n8k16, each warp 16 rows.
        const u32 each = 4 / bytes, holder = row % 8 * 4 + k % (4 * each) / each;
        const u32 word = mma.fragments.values[row / 16 * 32 + holder][row % 16 / 8 + 2 * (k / (4 * each))];
        bits = (u16)(word >> (k % each * bytes * 8));
      } else {
        std::memcpy(&bits, descriptorAt(lane, mma.descriptorA, row, k * bytes, shape.transposeA, mma.line), bytes);
      }
      a[row][k] = elementValue(bytes == 1 ? bits & 0xff : bits, shape.a) * (float)shape.scaleA;
    }
    for (u32 n = 0; n < shape.n; ++n) {
      std::memcpy(&bits, descriptorAt(lane, mma.descriptorB, n, k * bytes, shape.transposeB, mma.line), bytes);
      b[k][n] = elementValue(bytes == 1 ? bits & 0xff : bits, shape.b) * (float)shape.scaleB;
    }
  }
  auto visit = [&](auto body) {
    for (u32 thread = 0; thread < 128; ++thread)
      for (u32 i = 0; i < shape.n / 2; ++i)
        body(*mma.d[thread][i],
             d[thread / 32 * 16 + thread % 32 / 4 + 8 * (i / 2 % 2)][i / 4 * 8 + thread % 4 * 2 + i % 2]);
  };
  visit([&](u32& word, float& value) { value = mma.scaleD ? bitCast<float>(word) : 0; });
  for (u32 row = 0; row < 64; ++row)
    for (u32 k = 0; k < shape.k; ++k)
      for (u32 n = 0; n < shape.n; ++n) d[row][n] += a[row][k] * b[k][n];
  visit([&](u32& word, float& value) { word = bitCast<u32>(value); });
}

}  // namespace llmc::emu
