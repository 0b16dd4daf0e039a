# Matrix products: the tiles and loops know no dialect, MatmulKernel lowers kern functions to them.
add_library(llmcMatmulConfig STATIC ${CMAKE_CURRENT_SOURCE_DIR}/../registry/MatmulConfig.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/../registry/MatmulTable.cpp ${CMAKE_CURRENT_SOURCE_DIR}/../registry/AttentionTable.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/../registry/MatmulTuning.cpp ${CMAKE_CURRENT_SOURCE_DIR}/../registry/TuningDatabase.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/../registry/AttentionKey.cpp)
target_link_libraries(llmcMatmulConfig PUBLIC llmcCpuCore llmcPackedLayout llmcBase)
target_precompile_headers(llmcMatmulConfig REUSE_FROM llmcMlirHeaders)
add_library(llmcCpuMatmul STATIC matmul/IntTile.cpp matmul/IntDirect.cpp matmul/IntSteps.cpp matmul/IntWords.cpp matmul/WordRows.cpp
  matmul/IntWide.cpp matmul/IntLines.cpp matmul/FloatTile.cpp matmul/GroupScales.cpp matmul/RowScales.cpp matmul/MatmulDriver.cpp
            matmul/MatmulPlan.cpp matmul/MatmulKernel.cpp matmul/MatmulFamily.cpp)
target_link_libraries(llmcCpuMatmul PUBLIC llmcMatmulConfig llmcCpuKvWrite llmcPackedLayout)
target_precompile_headers(llmcCpuMatmul REUSE_FROM llmcMlirHeaders)
