# llmcFamilyList(out): the sources of the families, and FamilyList.h in the build folder, which declares and lists them.
set(LLMC_FAMILIES_FOLDER ${CMAKE_CURRENT_LIST_DIR})
function(llmcFamilyList out)
  file(GLOB sources CONFIGURE_DEPENDS ${LLMC_FAMILIES_FOLDER}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/Families\\.cpp$")
  set(declared)
  set(listed)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    string(APPEND declared "extern const Family k${name};\n")
    string(APPEND listed " &k${name},")
  endforeach()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/compiler/models/FamilyList.h CONTENT
"// Made by compiler/models/FamilyList.cmake: a family a file of its folder.
#pragma once

#include \"compiler/models/Family.h\"

namespace llmc {
${declared}inline constexpr const Family *kFamilies[] = {${listed} };
} // namespace llmc
")
  set(${out} ${sources} PARENT_SCOPE)
endfunction()
