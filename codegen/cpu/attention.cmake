# Attention kernels.
add_library(llmcCpuAttention STATIC attention/AttendShape.cpp attention/AttendEmitter.cpp attention/AttendTiles.cpp
            attention/CodeProducts.cpp attention/Int8AttendTiles.cpp
            attention/PairAttendEmitter.cpp attention/Bf16AttendEmitter.cpp attention/Bf16AttendTiles.cpp
            attention/Int16AttendEmitter.cpp attention/Int16AttendTiles.cpp attention/AttendKernel.cpp
            attention/AttendFamily.cpp)
target_link_libraries(llmcCpuAttention PUBLIC llmcCpuRegion llmcKern llmcMatmulConfig llmcPackedLayout)
target_precompile_headers(llmcCpuAttention REUSE_FROM llmcMlirHeaders)
