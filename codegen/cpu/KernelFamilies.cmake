# All kernel families behind one entry. A folder with a NAMEFamily.cpp, which defines `const KernelFamily kNAME`, is a family:
# KernelFamilyList.h in the build folder lists them, and a folder that no .cmake file here makes a library of becomes one.
set(librariesOf_attention llmcCpuAttention)
set(librariesOf_kvwrite llmcCpuKvWrite)
set(librariesOf_matmul llmcCpuMatmul)
file(GLOB families CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*/*Family.cpp)
set(declared)
set(listed)
set(libraries llmcCpuRows)
foreach(source ${families})
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "Family$" "" name ${name})
  string(APPEND declared "extern const KernelFamily k${name};\n")
  string(APPEND listed " &k${name},")
  get_filename_component(folder ${source} DIRECTORY)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  get_filename_component(folder ${folder} NAME)
  if(NOT librariesOf_${folder})
    set(librariesOf_${folder} llmcCpuFamily_${folder})
    add_library(llmcCpuFamily_${folder} STATIC ${sources})
    target_link_libraries(llmcCpuFamily_${folder} PUBLIC llmcCpuRows)
    target_precompile_headers(llmcCpuFamily_${folder} REUSE_FROM llmcMlirHeaders)
  endif()
  list(APPEND libraries ${librariesOf_${folder}})
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/codegen/cpu/KernelFamilyList.h CONTENT
"// Made by codegen/cpu/KernelFamilies.cmake: a family a NAMEFamily.cpp.
#pragma once

#include \"codegen/cpu/KernelEmitter.h\"

namespace llmc {
${declared}inline constexpr const KernelFamily *kKernelFamilies[] = {${listed} };
} // namespace llmc
")
add_library(llmcCpuKernels STATIC KernelEmitter.cpp LowerCpu.cpp)
add_dependencies(llmcCpuKernels llmcPassesIncGen)
target_link_libraries(llmcCpuKernels PUBLIC ${libraries})
target_precompile_headers(llmcCpuKernels REUSE_FROM llmcMlirHeaders)
