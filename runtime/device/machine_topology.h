// What hwloc knows of a machine: its cores, their hardware threads and kinds, and the memory nodes beside them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

struct hwloc_topology;

namespace llmc::rt {

/// One logical CPU and what it belongs to.
struct LogicalCpu {
  int id = 0;    ///< number the kernel knows it by
  int core = 0;  ///< physical core that it is a hardware thread of, unique on the machine
  int node = 0;  ///< number of the memory node nearest to it
  int kind = 0;  ///< of its core, by efficiency: the higher, the faster; 0 where all cores are alike
  bool operator==(const LogicalCpu&) const = default;
};

/// Immutable, so that threads may share it. Move only.
class MachineTopology {
 public:
  /// Of this machine, or what hwloc's own variables (HWLOC_XMLFILE, HWLOC_SYNTHETIC) put in its place. Takes 1 ms with
  /// 4 CPUs. Where hwloc fails, one that knows nothing.
  static MachineTopology detect();
  /// An invented machine, such as "node:2 core:4 pu:2". Error RT_TOPOLOGY (65).
  static Result<MachineTopology> fromSynthetic(const std::string& description);
  /// A recorded one, by `lstopo --of xml`. Error RT_TOPOLOGY (65).
  static Result<MachineTopology> fromXml(std::string_view xml);

  /// The CPUs `ids` in the order of the machine: node by node, core by core. One that is not known counts as a core of
  /// its own on node 0; those come last.
  std::vector<LogicalCpu> cpusOf(std::span<const int> ids) const;

  /// Physical pages of [at, at + bytes) that are found from now on come from `nodes` in turns; at: multiple of the page
  /// size. False: the kernel, or a sandbox around it, refuses.
  bool spread(void* at, uint64_t bytes, std::span<const int> nodes) const;
  /// The same for all memory, and pages of files, that this thread and those it starts from now on are the first to
  /// touch; no `nodes`: the kernel's own choice again.
  bool spreadThread(std::span<const int> nodes) const;

  /// Nodes that spread() and spreadThread() asked for, ascending; empty: none.
  std::vector<int> spreadNodes(const void* at, uint64_t bytes) const;
  std::vector<int> threadSpreads() const;
  /// Whether somebody (numactl) chose nodes for this thread.
  bool threadHasPolicy() const;

  bool known() const { return topology_ != nullptr; }

 private:
  struct Destroy {
    void operator()(hwloc_topology* topology) const;
  };
  using Handle = std::unique_ptr<hwloc_topology, Destroy>;
  explicit MachineTopology(Handle topology) : topology_(std::move(topology)) {}
  static Handle make();
  static Result<MachineTopology> load(Handle topology, std::string_view what);

  Handle topology_;  ///< null: nothing is known
};

/// spreadThread() while it lives. Does nothing for no `nodes`, nor where somebody else chose some for the thread.
class SpreadScope {
 public:
  SpreadScope(const MachineTopology& topology, std::span<const int> nodes);
  SpreadScope(const SpreadScope&) = delete;
  SpreadScope& operator=(const SpreadScope&) = delete;
  ~SpreadScope();

 private:
  const MachineTopology* topology_ = nullptr;  ///< null: nothing to undo
};

/// This machine's, found at the first call.
const MachineTopology& machineTopology();

}  // namespace llmc::rt
