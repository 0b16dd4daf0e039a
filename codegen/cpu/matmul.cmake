# Matrix products.
add_library(llmcMatmulConfig STATIC ${CMAKE_CURRENT_SOURCE_DIR}/../registry/MatmulConfig.cpp)
target_link_libraries(llmcMatmulConfig PUBLIC llmcCpuCore)
add_library(llmcCpuMatmul STATIC matmul/IntTile.cpp matmul/IntSteps.cpp matmul/FloatTile.cpp matmul/MatmulDriver.cpp)
target_link_libraries(llmcCpuMatmul PUBLIC llmcMatmulConfig llmcCpuCore llmcPackedLayout)
