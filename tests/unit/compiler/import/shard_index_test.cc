// Shard indexes and the files they name: rows IX1 to IX6 of the catalogue.
#include "compiler/import/ShardIndex.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "compiler/import/ImportedModel.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

std::string shard(const std::string& tensor) {
  return safetensorsFile("{\"" + tensor + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234");
}
std::string openBoth(const TempFolder& folder, const std::string& map, bool strict = false) {
  auto index = parseShardIndex("{\"weight_map\":" + map + "}", "index.json");
  if (!index) return index.status().code();
  auto checkpoint = openShards(folder.path(), *index, {.strict = strict});
  return codeOf(checkpoint);
}
const std::string kMap = R"({"a":"1.safetensors","b":"2.safetensors"})";

TEST(ShardIndex, HonestShards) {
  TempFolder folder;
  folder.write("1.safetensors", shard("a"));
  folder.write("2.safetensors", shard("b"));
  EXPECT_EQ(openBoth(folder, kMap), "ok");
}
TEST(ShardIndex, IX1_PathsOutOfTheFolder) {
  for (const char* name : {"../x", "/etc/passwd", "a/b", "", ".", "..", "a\\\\b", "a\\u0000b"})
    EXPECT_EQ(placedCodeOf(parseShardIndex(std::string(R"({"weight_map":{"a":")") + name + "\"}}", "i"), "i", 19),
              "IX_PATH")
        << name;
}
TEST(ShardIndex, IX2_AbsentOrNoRegularFile) {
  TempFolder folder;
  folder.write("1.safetensors", shard("a"));
  std::string second = folder.path() + "/2.safetensors";
  auto index = parseShardIndex("{\"weight_map\":" + kMap + "}", "i");
  auto absent = openShards(folder.path(), *index, {});
  EXPECT_EQ(codeOf(absent), "IX_MISSING");
  EXPECT_EQ(rt::exitStatus(absent.status().kind()), 66);
  ASSERT_EQ(::mkfifo(second.c_str(), 0600), 0);
  EXPECT_EQ(openBoth(folder, kMap), "IX_NOT_REGULAR");
  ::unlink(second.c_str());
  ::mkdir(second.c_str(), 0700);
  EXPECT_EQ(openBoth(folder, kMap), "IX_NOT_REGULAR");
  ::rmdir(second.c_str());
  int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, second.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(openBoth(folder, kMap), "IX_NOT_REGULAR");
  ::close(fd);
  ::unlink(second.c_str());
  ASSERT_EQ(::symlink("/dev/null", second.c_str()), 0);
  EXPECT_EQ(openBoth(folder, kMap), "IX_NOT_REGULAR");
}
TEST(ShardIndex, IX3_SymbolicLinks) {
  TempFolder folder;
  folder.write("1.safetensors", shard("a"));
  folder.write("blob", shard("b"));
  ASSERT_EQ(::symlink("blob", (folder.path() + "/2.safetensors").c_str()), 0);
  EXPECT_EQ(openBoth(folder, kMap), "ok");
  EXPECT_EQ(openBoth(folder, kMap, true), "IX_SYMLINK");
}
TEST(ShardIndex, IX4_Conflicts) {
  TempFolder folder;
  folder.write("1.safetensors", shard("a"));
  folder.write("2.safetensors", shard("a"));
  EXPECT_EQ(openBoth(folder, kMap), "IX_CONFLICT");  // in both
  folder.write("2.safetensors", shard("c"));
  EXPECT_EQ(openBoth(folder, kMap), "IX_CONFLICT");  // b is nowhere
  folder.write("2.safetensors", shard("b"));
  EXPECT_EQ(openBoth(folder, R"({"b":"1.safetensors","a":"2.safetensors"})"), "IX_CONFLICT");  // swapped
  folder.write(
      "2.safetensors",
      safetensorsFile(
          R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
          "12345678"));
  EXPECT_EQ(openBoth(folder, kMap), "IX_CONFLICT");  // x is not in the index
}
TEST(ShardIndex, IX6_SizeAndForm) {
  TempFolder folder;
  writeTinyFolder(folder);
  ::unlink((folder.path() + "/model.safetensors").c_str());
  std::string path = folder.write("model.safetensors.index.json", "{}");
  EXPECT_EQ(codeOf(importModel(folder.path())), "IX_JSON");
  ASSERT_EQ(::truncate(path.c_str(), 1 << 30), 0);
  EXPECT_EQ(codeOf(importModel(folder.path())), "IX_TOO_LARGE");
  for (const char* text : {"[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"a":1}})"})
    EXPECT_EQ(placedCodeOf(parseShardIndex(text, "i"), "i", std::strlen(text)), "IX_JSON") << text;
  EXPECT_EQ(placedCodeOf(parseShardIndex(R"({"weight_map":{"a":"x","a":"y"}})", "i"), "i", 24), "IX_DUP");
  EXPECT_EQ(placedCodeOf(parseShardIndex(std::string(100, '['), "i"), "i", 100), "IX_DEPTH");
}

}  // namespace
}  // namespace llmc
