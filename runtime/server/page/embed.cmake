# Makes one document of index.html and the files that it names, and a C++ source with its bytes, its hash and its policy.
#
# cmake -DSOURCE=runtime/server/page -DOUTPUT=page_content.cc -P embed.cmake
cmake_minimum_required(VERSION 3.21)

# The base64 of 64 hexadecimal digits, as Content-Security-Policy wants hashes.
function(base64_of digits result)
  set(alphabet "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  set(out "")
  foreach(at RANGE 0 60 6)
    string(SUBSTRING "${digits}0000" ${at} 6 group)
    math(EXPR value "0x${group}")
    foreach(shift 18 12 6 0)
      math(EXPR index "(${value} >> ${shift}) & 63")
      string(SUBSTRING "${alphabet}" ${index} 1 letter)
      string(APPEND out "${letter}")
    endforeach()
  endforeach()
  # 32 bytes are 43 letters and one filler.
  string(SUBSTRING "${out}" 0 43 out)
  set(${result} "${out}=" PARENT_SCOPE)
endfunction()

# Puts the files that match `pattern` (its first group is the name) into the page and lists their hashes.
function(inline_files pattern open close result)
  set(page "${page}")
  set(hashes "")
  string(REGEX MATCHALL "${pattern}" tags "${page}")
  if(NOT tags)
    message(FATAL_ERROR "index.html names no file as ${pattern}")
  endif()
  foreach(tag IN LISTS tags)
    string(REGEX REPLACE "${pattern}" "\\1" name "${tag}")
    file(READ ${SOURCE}/${name} content)
    if(content MATCHES "</(script|style)|<!--")
      message(FATAL_ERROR "${name} holds '${CMAKE_MATCH_0}', which would end its element")
    endif()
    string(REPLACE "${tag}" "${open}${content}${close}" page "${page}")
    string(SHA256 digits "${content}")
    base64_of(${digits} hash)
    string(APPEND hashes " 'sha256-${hash}'")
  endforeach()
  set(page "${page}" PARENT_SCOPE)
  set(${result} "${hashes}" PARENT_SCOPE)
endfunction()

file(READ ${SOURCE}/index.html page)
inline_files("<link rel=\"stylesheet\" href=\"([a-z]+\\.css)\">" "<style>" "</style>" styles)
inline_files("<script src=\"([a-z]+\\.js)\"></script>" "<script>" "</script>" scripts)
string(SHA256 digest "${page}")
string(SUBSTRING ${digest} 0 32 tag)
string(HEX "${page}" bytes)
string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
file(WRITE ${OUTPUT} "// Written by embed.cmake from runtime/server/page.
#include \"runtime/server/page/page.h\"

namespace llmc::rt::server {
namespace {
constexpr char kBytes[] = {${bytes}};
}  // namespace
const PageContent kPage{{kBytes, sizeof kBytes}, \"\\\"${tag}\\\"\", \"script-src${scripts}; style-src${styles}\"};
}  // namespace llmc::rt::server
")
