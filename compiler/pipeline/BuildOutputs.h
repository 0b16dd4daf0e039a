// What a build writes beside its engine, and the check that nothing it writes is something it reads.
#pragma once

#include "runtime/base/status.h"
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

namespace llmc {

/// Refuses a file to write that is the model, or a file of the model's folder that is neither empty nor an engine,
/// whatever the name it is reached by (links). `what` is for the error: "output", "--remarks". Errors: OUT_IS_INPUT
/// (64). Changes nothing.
rt::Status checkNotInput(const std::string &what, const std::string &path, const std::string &model);

/// Refuses remarks that would replace the engine, or be replaced by it. Errors: OUT_PATH (64).
rt::Status checkDiffer(const std::string &remarks, const std::string &output);

/// Refuses a text to write over a file that has something in it and is none: an engine or a model. `what` is for the
/// error: "--remarks". Errors: OUT_EXISTS (64). Changes nothing; errors of reading are left to whoever writes.
rt::Status checkReplacesText(const std::string &what, const std::string &path);

/// The folder that takes dumps.
class DumpFolder {
public:
  DumpFolder() = default;
  DumpFolder(const DumpFolder &) = delete;
  DumpFolder &operator=(const DumpFolder &) = delete;
  ~DumpFolder();

  /// Makes it, before there is anything to dump. Files of an earlier build's dump (NNN-*.mlir, .ll, .s, also in
  /// the folders `inner` of it, those in others before them; *.sm_90a.cubin and the like) are removed when `force` says
  /// so, else refused. Errors: OUT_EXISTS (64), OUT_IO (74). Nothing when `folder` is empty.
  rt::Status prepare(const std::string &folder, const std::vector<std::string> &inner, bool force);

  /// Passes on how work ended that writes nothing but dumps. With OUT_IO, of a dump that cannot be written, removes the
  /// dumps in the folder, then the folders that prepare() made and the inner ones, where nothing else is in them: what
  /// a full disk holds of them helps nobody.
  rt::Status afterDumping(rt::Status status);

  /// The folders alone, where nothing is in them: a model that is refused leaves none, one that fails later leaves the
  /// dumps up to there for whoever asked for them.
  void removeEmpty() const;

  /// From here on the dumps stay, whatever signal comes.
  void keep();

  /// Does the same for the folder that was prepared last, unless that is kept or gone. Async-signal-safe. Whoever
  /// dumps must not go on: the thread that dumps is the one that takes signals.
  static void removeUnfinished();

private:
  std::vector<std::filesystem::path> dumps() const;

  std::vector<std::filesystem::path> folders_; ///< the folder, then the inner ones
  std::vector<std::filesystem::path> made_;    ///< by prepare(), innermost first
};

/// Error OUT_EXISTS (64) when `path` is a file with something in it whose first line that neither is empty nor begins
/// with # is not `begins`, a prefix of what the file would be replaced by. `what`: for the message, as "-o". Errors of
/// reading are left to whoever writes.
rt::Status checkReplaces(const std::string &what, const std::string &path, const std::string &begins);

/// A small text that is opened before the work and written after it. What was there stays until write(); a file that
/// open() made is removed again when nothing was written. Belongs to one thread.
class LateFile {
public:
  LateFile() = default;
  LateFile(const LateFile &) = delete;
  LateFile &operator=(const LateFile &) = delete;
  ~LateFile();

  /// Errors: OUT_IO (74).
  rt::Status open(const std::string &path);
  bool isOpen() const { return fd_ >= 0; }
  /// For a text that is known long before it may replace what was there: finds a full disk now. A file gets room for
  /// it (where the file system can reserve) and keeps its content; a device or a pipe, which keeps nothing, takes the
  /// text and is closed. Requires: isOpen(). Errors: OUT_IO (74).
  rt::Status stage(const std::string &text);
  /// Replaces the content and closes; where that fails, what was written so far is all that the file has.
  /// Errors: OUT_IO (74).
  rt::Status write(const std::string &text);
  /// Removes a file that open() made and nothing was written to. Async-signal-safe; knows the last one that was opened.
  static void removeUnwritten();

private:
  void forget();
  void giveBack();

  std::string path_;
  int fd_ = -1;
  bool made_ = false;
  bool staged_ = false;
  timespec modified_{}; ///< staged: when what was there was written
};

} // namespace llmc
