// Outputs that are inputs under any name, old dumps, and files opened early.
#include "compiler/pipeline/BuildOutputs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace llmc {
namespace {

namespace fs = std::filesystem;

class BuildOutputs : public testing::Test {
 protected:
  BuildOutputs() {
    std::string name = (fs::temp_directory_path() / "llmc-outputs-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~BuildOutputs() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
};

TEST_F(BuildOutputs, AModelUnderAnyNameIsRefused) {
  const std::string model = write("g.gguf", "GGUF"), other = write("o.bin", "x");
  fs::create_symlink(model, folder_ / "soft");
  fs::create_hard_link(model, folder_ / "hard");
  for (const char* name : {"g.gguf", "soft", "hard"}) {
    rt::Status status = checkNotInput("output", (folder_ / name).string(), model);
    ASSERT_FALSE(status) << name;
    EXPECT_EQ(status.code(), "OUT_IS_INPUT");
    EXPECT_EQ(rt::exitStatus(status.kind()), 64);
  }
  // The file beside a .gguf is none of its inputs.
  for (const std::string& path : {other, (folder_ / "new").string(), std::string("/dev/null")})
    EXPECT_TRUE(checkNotInput("output", path, model)) << path;
}

TEST_F(BuildOutputs, AFileOfTheFolderIsRefusedAndAnEngineIsNot) {
  const std::string weights = write("model.safetensors", "x"), config = write("config.json", "{}");
  const std::string engine = write("e.bin", "LLMCENG\n.."), empty = write("empty", "");
  for (const std::string& model : {folder_.string(), weights}) {
    EXPECT_FALSE(checkNotInput("output", config, model)) << model;
    EXPECT_FALSE(checkNotInput("output", weights, model)) << model;
    EXPECT_TRUE(checkNotInput("output", engine, model)) << model;
    EXPECT_TRUE(checkNotInput("output", empty, model)) << model;
    EXPECT_TRUE(checkNotInput("output", (folder_ / "new.bin").string(), model)) << model;
  }
}

TEST_F(BuildOutputs, RemarksAndEngineDiffer) {
  const std::string a = (folder_ / "a").string(), b = write("b", "x");
  EXPECT_FALSE(checkDiffer(a, a));
  EXPECT_FALSE(checkDiffer((folder_ / "." / "a").string(), a));
  fs::create_hard_link(b, folder_ / "c");
  EXPECT_FALSE(checkDiffer((folder_ / "c").string(), b));
  EXPECT_TRUE(checkDiffer(a, b));
}

TEST_F(BuildOutputs, OldDumpsAreRefusedOrRemovedAndNothingElseIs) {
  const std::string dumps = (folder_ / "new" / "dumps").string();
  ASSERT_TRUE(DumpFolder().prepare(dumps, {"kernels-v3"}, false));
  EXPECT_TRUE(fs::is_directory(dumps));
  const std::vector<std::string> ours = {
      "000-a.mlir",          "1000-b.ll",        "kernels-v3/012-c.s", "linear_m8.sm_90a.cubin",
      "linear_m8.sm_90a.cu", "a.compute_90.ptx", "a.sm_80.mlir"};
  const std::vector<std::string> theirs = {"notes.txt",          "00-a.mlir", "000a.mlir", "000-a.txt",
                                           "kernels-v9/012-c.s", "a.cubin",   "sm_90a.cu", "a.sm_90a.txt"};
  for (const std::string& name : theirs) write("new/dumps/" + name, "x");
  EXPECT_TRUE(DumpFolder().prepare(dumps, {"kernels-v3"}, false));
  for (const std::string& name : ours) write("new/dumps/" + name, "x");
  rt::Status status = DumpFolder().prepare(dumps, {"kernels-v3"}, false);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.code(), "OUT_EXISTS");
  for (const std::string& name : ours) EXPECT_TRUE(fs::exists(fs::path(dumps) / name)) << name;
  ASSERT_TRUE(DumpFolder().prepare(dumps, {"kernels-v3"}, true));
  for (const std::string& name : ours) EXPECT_FALSE(fs::exists(fs::path(dumps) / name)) << name;
  for (const std::string& name : theirs) EXPECT_TRUE(fs::exists(fs::path(dumps) / name)) << name;
  EXPECT_FALSE(fs::exists(fs::path(dumps) / "kernels-v3"));
  EXPECT_EQ(DumpFolder().prepare(write("file", "x"), {}, true).code(), "OUT_IO");
}

TEST_F(BuildOutputs, ADiscardedDumpTakesItsFoldersAlong) {
  const std::string dumps = (folder_ / "new" / "dumps").string();
  const rt::Status full = rt::Status::error(rt::ErrorKind::kIo, "OUT_IO", "no space");
  const auto dumpAll = [&] {
    for (const char* name : {"000-a.mlir", "kernels-v3/012-c.s", "a.sm_80.cubin", "cpu/kernels-v3/012-c.s"})
      write("new/dumps/" + std::string(name), "x");
  };
  {
    DumpFolder fresh;
    ASSERT_TRUE(fresh.prepare(dumps + "/", {"kernels-v3", "cpu/kernels-v3", "cpu"}, false));
    dumpAll();
    EXPECT_TRUE(fresh.afterDumping(rt::Status::ok()));
    EXPECT_EQ(fresh.afterDumping(rt::Status::error(rt::ErrorKind::kInternal, "CG_KERNEL", "x")).code(), "CG_KERNEL");
    EXPECT_TRUE(fs::exists(folder_ / "new/dumps/000-a.mlir"));
    EXPECT_EQ(fresh.afterDumping(full).code(), "OUT_IO");
    EXPECT_FALSE(fs::exists(folder_ / "new"));
    EXPECT_TRUE(fs::exists(folder_));
  }
  {
    DumpFolder kept;
    write("new/dumps/notes.txt", "mine");
    ASSERT_TRUE(kept.prepare(dumps, {"kernels-v3", "cpu/kernels-v3", "cpu"}, false));
    dumpAll();
    EXPECT_FALSE(kept.afterDumping(full));
    EXPECT_EQ(read((folder_ / "new/dumps/notes.txt").string()), "mine");
    EXPECT_EQ(std::distance(fs::directory_iterator(dumps), fs::directory_iterator()), 1);
  }
  fs::remove(folder_ / "new/dumps/notes.txt");
  DumpFolder theirs;  // a folder that was there before stays, empty as it was
  ASSERT_TRUE(theirs.prepare(dumps, {"kernels-v3", "cpu/kernels-v3", "cpu"}, false));
  dumpAll();
  EXPECT_FALSE(theirs.afterDumping(full));
  EXPECT_TRUE(fs::is_empty(dumps));
  DumpFolder never;  // half of the folders could be made
  EXPECT_EQ(never.prepare((folder_ / "x" / std::string(300, 'n')).string(), {}, false).code(), "OUT_IO");
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(BuildOutputs, AnInterruptedDumpGoesUnlessItIsKept) {
  const std::string dumps = (folder_ / "new" / "dumps").string();
  const auto dumpAll = [&] {
    for (int i = 0; i < 300; ++i)  // more entries than one read of the folder holds
      write("new/dumps/" + std::to_string(1000 + i) + "-pass-" + std::string(40, 'n') + ".mlir", "x");
    write("new/dumps/kernels-v3/012-c.s", "x");
  };
  {
    DumpFolder fresh;
    ASSERT_TRUE(fresh.prepare(dumps, {"kernels-v3"}, false));
    dumpAll();
    DumpFolder second;  // of a build within the build: it has none
    DumpFolder::removeUnfinished();
    EXPECT_FALSE(fs::exists(folder_ / "new"));
  }
  write("new/dumps/notes.txt", "mine");
  {
    DumpFolder shared;
    ASSERT_TRUE(shared.prepare(dumps, {"kernels-v3"}, false));
    dumpAll();
    DumpFolder::removeUnfinished();
    EXPECT_EQ(std::distance(fs::directory_iterator(dumps), fs::directory_iterator()), 1);
    EXPECT_EQ(read(dumps + "/notes.txt"), "mine");
    dumpAll();
    shared.keep();
    DumpFolder::removeUnfinished();
    EXPECT_TRUE(fs::exists(dumps + "/kernels-v3/012-c.s"));
    EXPECT_FALSE(DumpFolder().prepare(dumps, {"kernels-v3"}, false));  // refused: not its own to remove
    DumpFolder::removeUnfinished();
    EXPECT_TRUE(fs::exists(dumps + "/kernels-v3/012-c.s"));
  }
  {
    DumpFolder failed;
    ASSERT_TRUE(failed.prepare(dumps, {"kernels-v3"}, true));
    dumpAll();
  }
  DumpFolder::removeUnfinished();  // the build ended by itself
  EXPECT_TRUE(fs::exists(dumps + "/kernels-v3/012-c.s"));
}

TEST_F(BuildOutputs, ReplacesWhatBeginsAsItsOwn) {
  for (const char* text : {"", "head 1\n", "# a comment\n\nhead 1\nmore"})
    EXPECT_TRUE(checkReplaces("-o", write("own", text), "head 1")) << text;
  EXPECT_TRUE(checkReplaces("-o", (folder_ / "none").string(), "head 1"));
  EXPECT_TRUE(checkReplaces("-o", "/dev/null", "head 1"));
  for (const char* text : {"LLMCENG\n", "GGUF", "# head 1\n", "# only\nwords\nhead 1\n"}) {
    const rt::Status status = checkReplaces("-o", write("other", text), "head 1");
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.code(), "OUT_EXISTS");
    EXPECT_EQ(rt::exitStatus(status.kind()), 64);
  }
}

TEST_F(BuildOutputs, ATextReplacesTextsAlone) {
  for (const char* text : {"", "@linear (llm.linear): fused llm.add\n", "any notes"})
    EXPECT_TRUE(checkReplacesText("--remarks", write("text", text))) << text;
  EXPECT_TRUE(checkReplacesText("--remarks", (folder_ / "none").string()));
  EXPECT_TRUE(checkReplacesText("--remarks", "/dev/null"));
  const std::string safetensors = std::string("\x10\0\0\0\0\0\0\0", 8) + R"({"w":{}})";
  for (const std::string& bytes : {std::string("LLMCENG\nrest"), std::string("GGUF and more"), safetensors}) {
    const rt::Status status = checkReplacesText("--remarks", write("model", bytes));
    ASSERT_FALSE(status) << bytes;
    EXPECT_EQ(status.code(), "OUT_EXISTS");
    EXPECT_NE(status.toString().find("--remarks"), std::string::npos);
  }
}

TEST_F(BuildOutputs, AnEarlyFileKeepsWhatWasThereUntilItIsWritten) {
  const std::string old = write("old", "what was there before"), fresh = (folder_ / "fresh").string();
  {
    LateFile a, b;
    ASSERT_TRUE(a.open(old));
    ASSERT_TRUE(b.open(fresh));
    EXPECT_TRUE(fs::exists(fresh));
  }
  EXPECT_EQ(read(old), "what was there before");
  EXPECT_FALSE(fs::exists(fresh));
  for (const std::string& path : {old, fresh}) {
    LateFile file;
    ASSERT_TRUE(file.open(path));
    ASSERT_TRUE(file.write("new"));
    EXPECT_FALSE(file.isOpen());
  }
  EXPECT_EQ(read(old) + read(fresh), "newnew");
  LateFile full, none;
  EXPECT_EQ(none.open((folder_ / "none" / "x").string()).code(), "OUT_IO");
  ASSERT_TRUE(full.open("/dev/full"));
  EXPECT_EQ(full.write("x").code(), "OUT_IO");
}

TEST_F(BuildOutputs, AStagedFileKeepsWhatWasThereAndADeviceTakesTheText) {
  const std::string old = write("old", "longer than what comes"), text = "new";
  const auto written = fs::last_write_time(old) - std::chrono::hours(1);
  fs::last_write_time(old, written);
  {
    LateFile file;
    ASSERT_TRUE(file.open(old));
    ASSERT_TRUE(file.stage(std::string(1 << 20, 'x')));
    EXPECT_EQ(read(old), "longer than what comes");
    EXPECT_TRUE(file.isOpen());
  }
  struct stat info{};
  ASSERT_EQ(::stat(old.c_str(), &info), 0);
  EXPECT_LT(info.st_blocks, 64) << "the room is given back";
  EXPECT_EQ(fs::last_write_time(old), written) << "nobody wrote it";
  for (const std::string& path : {old, (folder_ / "fresh").string()}) {
    LateFile file;
    ASSERT_TRUE(file.open(path));
    ASSERT_TRUE(file.stage(text));
    ASSERT_TRUE(file.write(text));
    EXPECT_EQ(read(path), text);
  }
  LateFile full, null;
  ASSERT_TRUE(full.open("/dev/full"));
  EXPECT_EQ(full.stage(text).code(), "OUT_IO");
  ASSERT_TRUE(null.open("/dev/null"));
  ASSERT_TRUE(null.stage(text));
  EXPECT_FALSE(null.isOpen());
}

}  // namespace
}  // namespace llmc
