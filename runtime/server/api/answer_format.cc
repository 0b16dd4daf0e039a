// One line an API.
#include "runtime/server/api/answer_format.h"

#include "runtime/server/api/messages_format.h"
#include "runtime/server/api/openai_format.h"
#include "runtime/server/api/responses_format.h"

namespace llmc::rt::server {

std::unique_ptr<AnswerFormat> makeAnswerFormat(const GenerateRequest& request, std::string_view id, int64_t created) {
  const std::string role = request.answerRole();
  const AnswerHead head{id, request.model, created, role};
  switch (request.api) {
    case Api::kMessages:
      return std::make_unique<MessagesFormat>(head);
    case Api::kResponses:
      return std::make_unique<ResponsesFormat>(head, request.repeatedFields);
    default:
      return std::make_unique<OpenAiFormat>(request.api == Api::kChat, head,
                                            UsageEvents{request.includeUsage, request.continuousUsage});
  }
}

}  // namespace llmc::rt::server
