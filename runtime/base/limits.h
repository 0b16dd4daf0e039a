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
inline constexpr uint64_t kTokenizerConfigBytes = 64ull
                                                  << 20;  ///< it may hold a template, whose own limit is then told
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
/// Plans of an engine: one for each target that there is.
inline constexpr uint32_t kPlans = 2;
inline constexpr uint64_t kEngineBytes = 1ull << 44;
inline constexpr uint64_t kKernelSymbolBytes = 256;
inline constexpr uint64_t kDeviceCodeBytes = 256ull
                                             << 20;  ///< unpacked, of one level for CUDA: fifty times an 8B model's

// Runs.
inline constexpr int64_t kThreads = 1024;
inline constexpr int64_t kMaxTokensPerStep = 1 << 20;
inline constexpr int64_t kSequences = 16'384;  ///< that run together: no more can be connected
inline constexpr uint64_t kPromptBytes = 64ull << 20;
inline constexpr uint64_t kTemplateOutputBytes = 4ull << 20;
inline constexpr uint64_t kTemplateFuel = 1'000'000;
inline constexpr int64_t kTopLogprobs = 20;
/// Log probabilities of an answer that is made whole: tokens times alternatives, of its prompts and its choices. 60 MB
/// of JSON.
inline constexpr uint64_t kAnswerLogprobs = uint64_t{1} << 20;
/// Of those that an event of a stream says at once: an echoed prompt's, and a whole answer's at the end of
/// /v1/responses.
inline constexpr uint64_t kEventLogprobs = kAnswerLogprobs / 4;
/// What an answer says again of its prompts, in each choice: ids and texts.
inline constexpr uint64_t kRepeatedPromptBytes = 128ull << 20;
inline constexpr int64_t kBeamWidth = kTopLogprobs / 2;  ///< a step looks at twice as many tokens
inline constexpr int64_t kStopStrings = 16;
inline constexpr uint64_t kStopStringBytes = 256;

inline constexpr uint64_t kTuningFileBytes = 1ull << 20;  ///< of llmc build --tuning

// HTTP connections. Seconds are of a clock that stands still while the process is stopped.
inline constexpr uint64_t kRequestLineBytes = 8ull << 10;
inline constexpr uint64_t kHeaderBytes = 16ull << 10;  ///< request line included
inline constexpr uint32_t kHeaders = 100;
inline constexpr uint64_t kBodyBytes = 8ull << 20;
inline constexpr uint64_t kShortBodyBytes = 128ull << 10;   ///< longer ones are prepared apart, one after the other
inline constexpr uint64_t kBodyWireBytes = 3 * kBodyBytes;  ///< with what the chunked encoding puts around it
inline constexpr uint64_t kShortAnswerBytes = 1ull << 20;   ///< longer ones are put together apart
inline constexpr uint64_t kReadAheadBytes = 64ull << 10;    ///< of pipelined requests while one is answered
inline constexpr uint64_t kSendBufferBytes = 256ull
                                             << 10;  ///< a stream; fuller than this it is paused, at twice cancelled
inline constexpr uint32_t kConnections = 16'384;
inline constexpr int kHeaderSeconds = 10;
inline constexpr int kBodySeconds = 30;
inline constexpr int kIdleSeconds = 60;
inline constexpr int kStallSeconds = 30;
inline constexpr int kRequestSeconds = 600;
inline constexpr uint64_t kRequestIdBytes = 128;

// Requests of the API.
inline constexpr uint64_t kRequestJsonValues = 2ull << 20;
inline constexpr uint64_t kRequestObjectKeys = 1024;
inline constexpr int64_t kChoices = 128;  ///< OpenAI's bound
inline constexpr int64_t kPromptsPerCall = 256;
inline constexpr int64_t kAnswersPerCall = 256;  ///< choices of all prompts of a call
inline constexpr int64_t kLogitBiases = 1024;
inline constexpr int64_t kMessages = 4096;
inline constexpr int64_t kBadWords = 128;
inline constexpr int64_t kStopTokenIds = 128;
inline constexpr int64_t kLogprobTokenIds = 128;
inline constexpr int64_t kRepeatedTokens = 4096;  ///< of a pattern times its repetitions
inline constexpr int64_t kDocuments = 256;
inline constexpr uint64_t kNameBytes = 256;        ///< of a model, a message's author, a user
inline constexpr uint64_t kCacheSaltBytes = 1024;  ///< vLLM's bound
inline constexpr uint64_t kMetadataEntries = 16;
inline constexpr uint64_t kMetadataKeyBytes = 64;
inline constexpr uint64_t kMetadataValueBytes = 512;

}  // namespace llmc::rt::limits
