// The one list of limits on what a file or a request may ask for; shared by code, tests and documentation.
#pragma once

#include <cstdint>

namespace llmc::rt::limits {

// Model files.
inline constexpr uint64_t kSafetensorsHeaderBytes = 100'000'000;
inline constexpr uint64_t kTensors = 200'000;
inline constexpr uint64_t kTensorNameBytes = 512;
inline constexpr uint32_t kTensorRank = 8;
inline constexpr uint64_t kGgufMetadataBytes = 1ull << 30;
inline constexpr uint64_t kGgufArrayElements = 16'000'000;
inline constexpr uint64_t kGgufKeyBytes = 65'535;
inline constexpr uint64_t kGgufKeys = 65'536;
inline constexpr uint64_t kGgufStringBytes = 16ull << 20;
inline constexpr uint32_t kGgufArrayDepth = 4;
inline constexpr uint64_t kGgufAlignment = 1ull << 20;
inline constexpr uint64_t kTensorDimension = 1ull << 42;
inline constexpr uint64_t kSafetensorsMetadataBytes = 8ull << 20;
inline constexpr uint64_t kShards = 4096;
inline constexpr uint64_t kJsonValues = 16'000'000;
inline constexpr uint64_t kTokenBytes = 4096;
inline constexpr uint64_t kMerges = 4'000'000;
inline constexpr uint64_t kAddedTokens = 100'000;
inline constexpr uint64_t kConfigBytes = 8ull << 20;
inline constexpr uint64_t kIndexBytes = 64ull << 20;
inline constexpr uint64_t kTokenizerBytes = 256ull << 20;
inline constexpr uint64_t kTemplateBytes = 1ull << 20;
inline constexpr uint32_t kJsonDepth = 64;

// Model dimensions.
inline constexpr int64_t kLayers = 1024;
inline constexpr int64_t kHidden = 1 << 20;
inline constexpr int64_t kVocab = 1 << 24;
inline constexpr int64_t kHeads = 4096;
inline constexpr int64_t kHeadDim = 1024;
inline constexpr int64_t kPositions = 1 << 28;

// Engine files.
inline constexpr uint64_t kPlanBytes = 64ull << 20;
inline constexpr uint32_t kFlatbufferDepth = 16;
inline constexpr uint32_t kFlatbufferTables = 1'000'000;
inline constexpr uint32_t kSections = 64;
inline constexpr uint64_t kEngineBytes = 1ull << 44;

// Runs.
inline constexpr int64_t kThreads = 1024;
inline constexpr int64_t kMaxTokensPerStep = 1 << 20;
inline constexpr uint64_t kPromptBytes = 64ull << 20;
inline constexpr uint64_t kTemplateOutputBytes = 4ull << 20;
inline constexpr uint64_t kTemplateFuel = 1'000'000;
inline constexpr int64_t kTopLogprobs = 20;
inline constexpr int64_t kStopStrings = 16;
inline constexpr uint64_t kStopStringBytes = 256;

}  // namespace llmc::rt::limits
