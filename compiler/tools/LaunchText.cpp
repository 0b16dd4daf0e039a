// Terms of a grid, and one line of numbers.
#include "compiler/tools/LaunchText.h"

#include <nlohmann/json.hpp>

namespace llmc {

using Json = nlohmann::ordered_json;

static std::string gridText(const fb::GridDim &dim) {
  std::string text;
  auto add = [&](const std::string &term) { text += (text.empty() ? "" : " + ") + term; };
  auto times = [](uint32_t count, const std::string &of) {
    return count == 1 ? of : std::to_string(count) + " * " + of;
  };
  auto tiles = [](const char *rows, uint32_t tile) {
    return tile == 1 ? std::string(rows) : "ceil(" + std::string(rows) + " / " + std::to_string(tile) + ")";
  };
  if (dim.base() != 0)
    add(std::to_string(dim.base()));
  if (dim.t_tile() != 0 && dim.t_count() != 0)
    add(times(dim.t_count(), tiles("T", dim.t_tile())));
  if (dim.s_tile() != 0 && dim.s_count() != 0)
    add(times(dim.s_count(), tiles("S", dim.s_tile())));
  if (dim.seq_count() != 0)
    add(times(dim.seq_count(), "sequences"));
  return text.empty() ? "1" : text;
}

Json launchFacts(const fb::LaunchShape &launch) {
  Json grid = Json::array();
  for (const fb::GridDim *dim : *launch.grid())
    grid.push_back(gridText(*dim));
  if (launch.blocks_per_sm() != 0)
    grid[0] = "min(" + grid[0].get<std::string>() + ", " +
              (launch.blocks_per_sm() == 1 ? "" : std::to_string(launch.blocks_per_sm()) + " * ") + "multiprocessors)";
  if (launch.cluster() > 1)
    grid[0] = grid[0].get<std::string>() + " in clusters of " + std::to_string(launch.cluster());
  return {{"threads", launch.threads()},
          {"grid", grid},
          {"registers", launch.registers()},
          {"shared_bytes", launch.shared_bytes()},
          {"static_shared_bytes", launch.static_shared_bytes()},
          {"local_bytes", launch.local_bytes()}};
}

std::string launchText(const Json &facts) {
  std::string grid;
  for (const Json &dim : facts["grid"])
    grid += (grid.empty() ? "" : ", ") + dim.get<std::string>();
  std::string registers = facts["registers"] == 0 ? "" : ", " + facts["registers"].dump() + " registers";
  return facts["threads"].dump() + " threads, grid (" + grid + ")" + registers + ", shared bytes " +
         facts["static_shared_bytes"].dump() + " + " + facts["shared_bytes"].dump() + " dynamic, " +
         (facts["local_bytes"] == 0 ? "no spills" : facts["local_bytes"].dump() + " bytes of local memory");
}

} // namespace llmc
