// Nothing is lost between writers and the reader; closing ends the reader once all is taken.
#include "runtime/serving/inbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace llmc::rt::serving {
namespace {

TEST(Inbox, EveryCommandArrivesOnce) {
  Inbox inbox;
  std::vector<std::thread> writers;
  for (uint64_t w = 0; w < 4; ++w)
    writers.emplace_back([&inbox, w] {
      for (uint64_t i = 0; i < 1000; ++i) {
        Command command;
        command.id = w * 1000 + i;
        inbox.push(std::move(command));
      }
    });
  std::vector<Command> taken;
  std::vector<bool> seen(4000);
  for (size_t count = 0; count < seen.size();) {
    inbox.wait(std::chrono::milliseconds(100));
    ASSERT_TRUE(inbox.take(taken));
    for (const Command& command : taken) {
      EXPECT_FALSE(seen[command.id]);
      seen[command.id] = true;
      ++count;
    }
    taken.clear();
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(inbox.submits(), 4000u) << "until the queue's numbers have them, they are not forgotten";
  inbox.settle(4000);
  EXPECT_EQ(inbox.submits(), 0u);
  inbox.push({});
  inbox.close();
  EXPECT_TRUE(inbox.take(taken));
  taken.clear();
  EXPECT_FALSE(inbox.take(taken));
}

TEST(Inbox, AnAbandonedOneGivesBackWhatItHasAndTakesNothing) {
  Inbox inbox;
  Command command;
  command.id = 7;
  EXPECT_TRUE(inbox.push(std::move(command)));
  const std::vector<Command> left = inbox.abandon();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].id, 7u);
  EXPECT_FALSE(inbox.push({}));
  EXPECT_TRUE(inbox.abandon().empty());
}

}  // namespace
}  // namespace llmc::rt::serving
