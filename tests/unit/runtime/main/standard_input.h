// Puts a file in the place of stdin for the life of an object.
#pragma once

#include <fcntl.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

namespace llmc::rt::test {

class StandardInput {
 public:
  explicit StandardInput(const std::string& path) : saved_(dup(STDIN_FILENO)) {
    const int file = open(path.c_str(), O_RDONLY);
    dup2(file, STDIN_FILENO);
    close(file);
    forget();
  }
  ~StandardInput() {
    dup2(saved_, STDIN_FILENO);
    close(saved_);
    forget();
  }

 private:
  /// Drops what was read ahead from the former file.
  static void forget() {
    __fpurge(stdin);
    std::clearerr(stdin);
    std::cin.clear();
  }
  int saved_;
};

}  // namespace llmc::rt::test
