// All operations of the llm dialect, by family; the file that TableGen reads.
#ifndef LLMC_DIALECTS_LLM_LLMOPS_TD
#define LLMC_DIALECTS_LLM_LLMOPS_TD

include "dialects/LLM/WeightOps.td"
include "dialects/LLM/RowOps.td"
include "dialects/LLM/NormOps.td"
include "dialects/LLM/LinearOps.td"
include "dialects/LLM/AttentionOps.td"
include "dialects/LLM/PointwiseOps.td"

#endif // LLMC_DIALECTS_LLM_LLMOPS_TD
