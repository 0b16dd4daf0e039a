// hwloc without caches, which take as long again to look for. Packages, dies and groups stay: a node whose CPUs no
// object has alone counts as near to all.
#include "runtime/device/machine_topology.h"

#include <hwloc.h>

#include <algorithm>
#include <utility>

namespace llmc::rt {
namespace {

/// A set of node numbers, freed when it goes.
class NodeSet {
 public:
  explicit NodeSet(std::span<const int> nodes = {}) {
    for (const int node : nodes) hwloc_bitmap_set(set_, static_cast<unsigned>(node));
  }
  NodeSet(const NodeSet&) = delete;
  NodeSet& operator=(const NodeSet&) = delete;
  ~NodeSet() { hwloc_bitmap_free(set_); }
  hwloc_bitmap_t get() const { return set_; }
  std::vector<int> nodes() const {
    std::vector<int> nodes;
    for (int node = hwloc_bitmap_first(set_); node >= 0; node = hwloc_bitmap_next(set_, node)) nodes.push_back(node);
    return nodes;
  }

 private:
  hwloc_bitmap_t set_ = hwloc_bitmap_alloc();
};

Status refused(std::string_view what) {
  return Status::error(
      ErrorKind::kBadInput, "RT_TOPOLOGY", "hwloc does not take " + escaped(what, 80) + " as a machine",
      "see hwloc's manual, \"Synthetic topologies\" and \"Importing and exporting topologies from/to XML\"");
}

/// Efficiency of the kind of core that `pu` is in; hwloc says -1 where it cannot order them.
int kindOf(hwloc_topology* topology, hwloc_obj* pu) {
  const int kind = hwloc_cpukinds_get_by_cpuset(topology, pu->cpuset, 0);
  int efficiency = -1;
  if (kind >= 0)
    (void)hwloc_cpukinds_get_info(topology, static_cast<unsigned>(kind), nullptr, &efficiency, nullptr, nullptr, 0);
  return std::max(efficiency, 0);
}

/// The first one whose CPUs include `pu`: where there are several (fast memory beside large), the ordinary one.
int nodeOf(hwloc_topology* topology, hwloc_obj* pu) {
  for (hwloc_obj* node = nullptr; (node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != nullptr;)
    if (hwloc_bitmap_isset(node->cpuset, pu->os_index)) return static_cast<int>(node->os_index);
  return 0;
}

}  // namespace

void MachineTopology::Destroy::operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }

MachineTopology::Handle MachineTopology::make() {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return nullptr;
  Handle handle(topology);
  // To bind this thread to each CPU in turn and ask it what it is would take long, and the kernel knows.
  if (hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING | HWLOC_TOPOLOGY_FLAG_NO_DISTANCES |
                                             HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS) != 0 ||
      hwloc_topology_set_cache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE) != 0)
    return nullptr;
  return handle;
}

MachineTopology MachineTopology::detect() {
  Handle topology = make();
  if (topology && hwloc_topology_load(topology.get()) != 0) topology.reset();
  return MachineTopology(std::move(topology));
}

Result<MachineTopology> MachineTopology::load(Handle topology, std::string_view what) {
  if (hwloc_topology_load(topology.get()) != 0) return refused(what);
  return MachineTopology(std::move(topology));
}

Result<MachineTopology> MachineTopology::fromSynthetic(const std::string& description) {
  Handle topology = make();
  if (!topology || hwloc_topology_set_synthetic(topology.get(), description.c_str()) != 0) return refused(description);
  return load(std::move(topology), description);
}

Result<MachineTopology> MachineTopology::fromXml(std::string_view xml) {
  Handle topology = make();
  // hwloc counts the zero at the end, too.
  const std::string text(xml);
  if (!topology || hwloc_topology_set_xmlbuffer(topology.get(), text.c_str(), static_cast<int>(text.size() + 1)) != 0)
    return refused(xml);
  return load(std::move(topology), xml);
}

std::vector<LogicalCpu> MachineTopology::cpusOf(std::span<const int> ids) const {
  std::vector<LogicalCpu> cpus;
  const auto wanted = [&](int id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  const auto have = [&](int id) {
    return std::any_of(cpus.begin(), cpus.end(), [&](auto& cpu) { return cpu.id == id; });
  };
  int cores = 0;
  if (hwloc_topology* topology = topology_.get()) {
    cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    for (hwloc_obj* pu = nullptr; (pu = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu)) != nullptr;) {
      const int id = static_cast<int>(pu->os_index);
      if (!wanted(id)) continue;
      const hwloc_obj* core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
      const int number = core ? static_cast<int>(core->logical_index) : cores + id;
      cpus.push_back({id, number, nodeOf(topology, pu), kindOf(topology, pu)});
    }
  }
  for (const int id : ids)
    if (!have(id)) cpus.push_back({id, cores + id, 0, 0});
  return cpus;
}

bool MachineTopology::spread(void* at, uint64_t bytes, std::span<const int> nodes) const {
  return topology_ && hwloc_topology_is_thissystem(topology_.get()) &&
         hwloc_set_area_membind(topology_.get(), at, bytes, NodeSet(nodes).get(), HWLOC_MEMBIND_INTERLEAVE,
                                HWLOC_MEMBIND_BYNODESET) == 0;
}

bool MachineTopology::spreadThread(std::span<const int> nodes) const {
  if (!topology_ || !hwloc_topology_is_thissystem(topology_.get())) return false;
  return hwloc_set_membind(topology_.get(),
                           nodes.empty() ? hwloc_topology_get_topology_nodeset(topology_.get()) : NodeSet(nodes).get(),
                           nodes.empty() ? HWLOC_MEMBIND_DEFAULT : HWLOC_MEMBIND_INTERLEAVE,
                           HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_THREAD) == 0;
}

std::vector<int> MachineTopology::spreadNodes(const void* at, uint64_t bytes) const {
  const NodeSet set;
  hwloc_membind_policy_t policy = HWLOC_MEMBIND_DEFAULT;
  const bool found =
      topology_ && hwloc_get_area_membind(topology_.get(), at, bytes, set.get(), &policy, HWLOC_MEMBIND_BYNODESET) == 0;
  return found && policy == HWLOC_MEMBIND_INTERLEAVE ? set.nodes() : std::vector<int>();
}

std::vector<int> MachineTopology::threadSpreads() const {
  const NodeSet set;
  hwloc_membind_policy_t policy = HWLOC_MEMBIND_DEFAULT;
  const bool found = topology_ && hwloc_get_membind(topology_.get(), set.get(), &policy,
                                                    HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_THREAD) == 0;
  return found && policy == HWLOC_MEMBIND_INTERLEAVE ? set.nodes() : std::vector<int>();
}

bool MachineTopology::threadHasPolicy() const {
  const NodeSet set;
  hwloc_membind_policy_t policy = HWLOC_MEMBIND_FIRSTTOUCH;
  return topology_ &&
         hwloc_get_membind(topology_.get(), set.get(), &policy, HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_THREAD) == 0 &&
         policy != HWLOC_MEMBIND_FIRSTTOUCH;
}

SpreadScope::SpreadScope(const MachineTopology& topology, std::span<const int> nodes) {
  if (!nodes.empty() && !topology.threadHasPolicy() && topology.spreadThread(nodes)) topology_ = &topology;
}

SpreadScope::~SpreadScope() {
  if (topology_) (void)topology_->spreadThread({});
}

const MachineTopology& machineTopology() {
  static const MachineTopology topology = MachineTopology::detect();
  return topology;
}

}  // namespace llmc::rt
