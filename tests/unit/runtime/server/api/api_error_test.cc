// OpenAI's error object, and nothing of the inside in it.
#include "runtime/server/api/api_error.h"

#include <gtest/gtest.h>

#include "runtime/server/backend.h"

namespace llmc::rt::server {
namespace {

TEST(ApiError, IsOpenAis) {
  EXPECT_EQ(
      invalidValue("n", "'n' is \"odd\"").json(),
      R"({"error":{"message":"'n' is \"odd\"","type":"invalid_request_error","param":"n","code":"invalid_value"}})");
  EXPECT_EQ((ApiError{401, "c", "m", {}}.json()),
            R"({"error":{"message":"m","type":"authentication_error","param":null,"code":"c"}})");
}

TEST(ApiError, TypesFollowTheStatus) {
  for (const auto& [status, type] : {std::pair{400, "invalid_request_error"}, std::pair{403, "permission_error"},
                                     std::pair{404, "not_found_error"}, std::pair{429, "rate_limit_error"},
                                     std::pair{500, "server_error"}, std::pair{503, "service_unavailable_error"}})
    EXPECT_EQ((ApiError{status, "c", "m", {}}.type()), type);
}

TEST(ApiError, OrAnthropics) {
  EXPECT_EQ((ApiError{413, "c", "m", "p"}.json(ErrorShape::kAnthropic)),
            R"({"type":"error","error":{"type":"request_too_large","message":"m"}})");
  for (const auto& [status, type] :
       {std::pair{400, "invalid_request_error"}, std::pair{404, "not_found_error"}, std::pair{429, "rate_limit_error"},
        std::pair{500, "api_error"}, std::pair{503, "overloaded_error"}, std::pair{504, "timeout_error"}})
    EXPECT_EQ((ApiError{status, "c", "m", {}}.type(ErrorShape::kAnthropic)), type);
  EXPECT_EQ(errorShapeOf("/v1/messages/count_tokens"), ErrorShape::kAnthropic);
  for (const char* path : {"/v1/messagesx", "/v1/chat/completions", "", "/"})
    EXPECT_EQ(errorShapeOf(path), ErrorShape::kOpenAi) << path;
}

TEST(ApiError, BackendErrorsHideTheirDetails) {
  const ApiError full = fromStatus(Status::error(ErrorKind::kUnavailable, kQueueFull, "q"));
  EXPECT_EQ(full.status, 429);
  EXPECT_GT(full.retryAfter, 0);
  EXPECT_EQ(fromStatus(Status::error(ErrorKind::kUsage, kKvCapacity, "too big")).code, "kv_capacity");
  EXPECT_EQ(fromStatus(Status::error(ErrorKind::kUsage, kKvCapacity, "too big", "ask for 3")).message,
            "too big; ask for 3");
  const ApiError broken = fromStatus(Status::error(ErrorKind::kDeviceFault, "RT_DEVICE", "at 0x7fff /secret"));
  EXPECT_EQ(broken.status, 503);
  EXPECT_EQ(broken.json().find("secret"), std::string::npos);
  EXPECT_EQ(fromStatus(Status::error(ErrorKind::kInternal, "RT_LOGITS", "secret")).status, 500);
  EXPECT_EQ(fromStatus(Status::error(ErrorKind::kUsage, "TM_RAISED", "roles must alternate")).code, "template_error");
}

}  // namespace
}  // namespace llmc::rt::server
