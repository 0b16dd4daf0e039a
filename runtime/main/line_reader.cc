// libedit on a terminal when it was there at build, getline elsewhere.
#include "runtime/main/line_reader.h"

#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#ifdef LLMC_HAVE_EDITLINE
#include <editline/readline.h>
#endif

namespace llmc::rt {
namespace {

std::optional<std::string> plainLine() {
  std::string line;
  if (!std::getline(std::cin, line)) {
    // A signal ends the read without ending the input.
    if (std::cin.eof()) return std::nullopt;
    std::cin.clear();
    std::clearerr(stdin);
    return std::string();
  }
  return line;
}

}  // namespace

std::optional<std::string> readLine(const char* prompt) {
  if (!isatty(STDIN_FILENO)) return plainLine();
#ifdef LLMC_HAVE_EDITLINE
  rl_outstream = stderr;  // stdout carries the answers only
  // libedit cuts characters by the locale; text is UTF-8 here whatever it says.
  static const bool utf8 = std::setlocale(LC_CTYPE, "C.UTF-8") || std::setlocale(LC_CTYPE, "");
  (void)utf8;
  errno = 0;
  char* typed = readline(prompt);
  // Ctrl-C drops the line under way, as in a shell; only the end of the input ends it.
  if (!typed && errno == EINTR) {
    std::fputc('\n', stderr);
    return std::string();
  }
  if (!typed) return std::nullopt;
  std::string line(typed);
  std::free(typed);
  if (!line.empty()) add_history(line.c_str());
  return line;
#else
  std::fputs(prompt, stderr);
  return plainLine();
#endif
}

}  // namespace llmc::rt
