// Each API has its own writer.
#include "runtime/server/api/answer_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace llmc::rt::server {
namespace {
using nlohmann::json;

TEST(AnswerFormat, FollowsTheApi) {
  for (const auto& [api, id] : {std::pair{Api::kCompletions, "cmpl-i"}, std::pair{Api::kChat, "chatcmpl-i"},
                                std::pair{Api::kMessages, "msg_i"}, std::pair{Api::kResponses, "resp_i"}}) {
    GenerateRequest request;
    request.api = api;
    request.model = "m";
    request.repeatedFields = R"("metadata":{})";
    ChoiceText choice;
    choice.finish = FinishReason::kStop;
    const json body = json::parse(makeAnswerFormat(request, "i", 1)->whole({&choice, 1}, {}));
    EXPECT_EQ(body["id"], id);
    EXPECT_EQ(body["model"], "m");
  }
}

TEST(AnswerFormat, UsageComesWhenItWasAskedFor) {
  GenerateRequest request;
  request.includeUsage = true;
  std::string out;
  makeAnswerFormat(request, "i", 1)->appendEnd(out, {1, 2, 0});
  EXPECT_NE(out.find("\"total_tokens\":3"), std::string::npos);
}

}  // namespace
}  // namespace llmc::rt::server
