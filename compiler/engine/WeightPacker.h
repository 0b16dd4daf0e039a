// Packs a model's weights into the WEIGHTS section: quantizes, rearranges and streams them with several threads.
#pragma once

#include "codegen/registry/PackedLayout.h"
#include "compiler/engine/EngineWriter.h"
#include "compiler/engine/RopeTable.h"
#include "compiler/engine/RowSource.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace llmc {

/// How several sources make one weight: Concat stacks their rows; Interleave16 takes 16 rows of each in turn.
enum class Arrange : uint8_t { None, Concat, Interleave16 };

/// Squared error that the scale search of I4 minimises: all elements alike, or weighted by the element's square.
enum class ErrorWeight : uint8_t { Uniform, Square };

struct WeightSource {
  std::string tensor;
  int64_t rows = 0;
  int64_t unpermuteHeads = 0;  ///< > 0: rows are in GGUF's interleaved rotary order over this many heads
};

/// One weight of the engine. Plain (1-D, cols == 1, or a rope table) is f32 whatever the source.
struct WeightSpec {
  std::string name;
  int64_t rows = 0, cols = 1;     ///< N, K before padding; 1-D: length, 1
  Layout layout = Layout::Plain;  ///< layoutFor(kind, symmetric)
  Arrange arrange = Arrange::None;
  std::vector<WeightSource> sources;  ///< empty when `rope` is set
  std::optional<RopeSpec> rope;       ///< rows = ropeTableRows(maxPositions), cols = dim
  int64_t group = 0;                  ///< columns that share a scale; 0: as many as the layout says
  bool e4m3 = false;                  ///< values as e4m3 with a scale a row has them, whatever the layout stores
};

/// Where a weight lies in the section.
struct PackedWeight {
  uint64_t offset = 0, size = 0;
};

/// Offsets of all weights in the section, in order of `specs`, each a multiple of 64, of 256 where a fragment layout is
/// among them. Known before any packing, so the plan can be written first. Error W_SHAPE: rows of the sources do not
/// add up, or limits are exceeded.
rt::Result<std::vector<PackedWeight>> placeWeights(const std::vector<WeightSpec>& specs);

/// Where packing spends its time: sums over its threads, then those of the caller's thread, which writes.
struct PackSeconds {
  double reading = 0;    ///< stored rows, from files
  double widening = 0;   ///< 16-bit values to float
  double packing = 0;    ///< scale search, codes, the order of the layout
  double idle = 0;       ///< until the writer has taken an earlier part
  double writing = 0;    ///< to the file
  double digesting = 0;  ///< of what is written
};

struct PackOptions {
  unsigned threads = 0;  ///< 0: all hardware threads
  ErrorWeight errorWeight = ErrorWeight::Uniform;
  /// Bytes of the section written so far and in total; false: stop with W_CANCELLED. Called on the caller's thread.
  std::function<bool(uint64_t done, uint64_t total)> progress;
  PackSeconds* seconds = nullptr;  ///< added to when it is there
};

/// Appends a whole WEIGHTS section (tail bytes included) to `writer` and returns its index. It starts at a multiple of
/// `alignment`, 0: of that of weights which a CPU reads where they lie. The bytes do not depend on the number of
/// threads. Errors: W_NONFINITE, W_RANGE (a value that f16 cannot hold), W_SHAPE, those of `sources`,
/// OUT_IO.
rt::Result<uint32_t> packWeights(const std::vector<WeightSpec>& specs, const RowSources& sources, EngineWriter& writer,
                                 const PackOptions& options, uint64_t alignment = 0);

/// Appends a WEIGHTS section of the same size that is a hole, for engines that are measured with weights made up on the
/// device. Errors: W_SHAPE, OUT_IO.
rt::Result<uint32_t> leaveRoomForWeights(const std::vector<WeightSpec>& specs, EngineWriter& writer,
                                         uint64_t alignment = 0);

/// Packs one weight into memory: what packWeights writes for it. For the built-in evaluator, inspection and tests.
rt::Result<std::vector<uint8_t>> packWeight(const WeightSpec& spec, const RowSources& sources,
                                            const PackOptions& options);

}  // namespace llmc
