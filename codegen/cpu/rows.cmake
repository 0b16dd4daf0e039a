# Ops evaluated row by row: the region emitter, and the kernels made of it alone.
add_library(llmcCpuRegion STATIC region/RegionEmitter.cpp region/Lanes.cpp region/Activations.cpp region/Norms.cpp
  region/Embed.cpp region/AttendMerge.cpp region/Rope.cpp region/StoreRow.cpp region/Argmax.cpp region/RoundRows.cpp)
target_link_libraries(llmcCpuRegion PUBLIC llmcCpuCore llmcLLM)
target_precompile_headers(llmcCpuRegion REUSE_FROM llmcMlirHeaders)
add_library(llmcCpuRows STATIC rows/RowCount.cpp rows/RowKernel.cpp)
target_link_libraries(llmcCpuRows PUBLIC llmcCpuRegion llmcKern)
target_precompile_headers(llmcCpuRows REUSE_FROM llmcMlirHeaders)
add_library(llmcCpuKvWrite STATIC kvwrite/HeadEmitter.cpp kvwrite/HeadWriter.cpp kvwrite/KvWriteFamily.cpp)
target_link_libraries(llmcCpuKvWrite PUBLIC llmcCpuRows)
target_precompile_headers(llmcCpuKvWrite REUSE_FROM llmcMlirHeaders)
