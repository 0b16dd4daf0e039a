#include "tests/unit/codegen/cpu/matmul/hot_loop.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace llmc {

long countOf(const std::vector<std::string> &lines, const std::string &text) {
  return std::ranges::count_if(lines, [&](const std::string &line) { return line.find(text) != std::string::npos; });
}

std::vector<std::string> hotLoop(const std::string &assembly, const std::string &product) {
  std::vector<std::string> lines, best;
  std::map<std::string, size_t> labels;
  std::istringstream text(assembly);
  long most = 0;
  for (std::string line; std::getline(text, line); lines.push_back(line)) {
    if (line.starts_with(".LBB"))
      labels[line.substr(0, line.find(':'))] = lines.size();
    size_t target = line.find("\t.LBB");
    auto label = target == std::string::npos ? labels.end() : labels.find(line.substr(target + 1));
    if (label == labels.end())
      continue;
    std::vector<std::string> body;
    for (size_t i = label->second + 1; i < lines.size(); ++i)
      if (lines[i].starts_with('\t') && !lines[i].starts_with("\t.") && !lines[i].starts_with("\t#"))
        body.push_back(lines[i]);
    long dots = countOf(body, product);
    if (dots > most) {
      most = dots;
      best = body;
      best.push_back(line);
    }
    labels.clear(); // an outer loop holds this one
  }
  return best;
}

static bool namesVectorAndStack(const std::string &line) {
  return line.find("mm") != std::string::npos && line.find("%rsp") != std::string::npos;
}

int vectorStackReferences(const std::vector<std::string> &instructions) {
  return static_cast<int>(std::ranges::count_if(instructions, namesVectorAndStack));
}

int vectorStackReferences(const std::string &assembly) {
  std::istringstream lines(assembly);
  int count = 0;
  for (std::string line; std::getline(lines, line);)
    count += namesVectorAndStack(line);
  return count;
}

/// What multiplies, and the weights that one such instruction multiplies at 64 bytes a register.
static std::pair<const char *, int> productOf(const Level &level, const MatmulShape &shape,
                                              const MatmulConfig &config) {
  switch (config.style) {
  case TileStyle::Float:
    return {"vfmadd", 16};
  case TileStyle::Pairs:
    return {"vdpbf16ps", 32};
  case TileStyle::Words:
    if (WordLayout(shape).wide)
      return {"vpmaddwd", 32};
    break;
  default:
    break;
  }
  return {level.vnni ? "vpdpbusd" : "vpmaddubsw", 64};
}

HotLoop countHotLoop(const Level &level, const MatmulShape &shape, const MatmulConfig &config,
                     const std::string &assembly) {
  HotLoop loop;
  loop.product = productOf(level, shape, config).first;
  const std::vector<std::string> body = hotLoop(assembly, loop.product);
  loop.products = countOf(body, loop.product);
  loop.instructions = std::ssize(body);
  loop.stack = vectorStackReferences(body);
  return loop;
}

std::string hotLoopLine(const std::string &name, const Level &level, const MatmulShape &shape, const HotLoop &loop) {
  std::ostringstream line;
  line << name << ": " << loop.products << " " << loop.product << ", " << loop.instructions << " instructions, "
       << loop.stack << " on the stack";
  if (shape.mMax != 1)
    return line.str();
  const int weights = productOf(level, shape, chooseMatmul(level, shape)).second;
  const double codes = static_cast<double>(loop.products * weights * level.vectorBytes() / 64);
  const double bytes = static_cast<double>(packedBytes(shape.layout, shape.n, shape.k));
  char each[64];
  std::snprintf(each, sizeof each, ", %.1f a line of 64 bytes",
                static_cast<double>(loop.instructions) * 64 / (codes * bytes / static_cast<double>(shape.n * shape.k)));
  return line.str() + each;
}

HotLoop recordedHotLoop(const std::string &name) {
  static const std::map<std::string, std::string> recorded = [] {
    std::map<std::string, std::string> lines;
    std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "matmul_hot_loops.txt");
    for (std::string line; std::getline(file, line);)
      if (const size_t colon = line.find(": "); colon != std::string::npos)
        lines[line.substr(0, colon)] = line.substr(colon + 2);
    return lines;
  }();
  HotLoop loop;
  const auto found = recorded.find(name);
  if (found == recorded.end())
    return loop;
  char product[32] = "";
  if (std::sscanf(found->second.c_str(), "%ld %31[a-z0-9], %ld instructions, %ld", &loop.products, product,
                  &loop.instructions, &loop.stack) != 4)
    return {};
  loop.product = product;
  return loop;
}

} // namespace llmc
