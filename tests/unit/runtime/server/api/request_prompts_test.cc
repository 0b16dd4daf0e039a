// Prompts as text, ids and lists of either; messages and their parts (rows RQ9 to RQ12, RQ22, RQ24).
#include <gtest/gtest.h>

#include "runtime/server/api/generate_request.h"

namespace llmc::rt::server {
namespace {

ApiFault prompts(const std::string& value, std::vector<Prompt>& out, uint32_t mostAtOnce = UINT32_MAX) {
  Json json;
  if (ApiFault fault = parseBody("{\"prompt\":" + value + "}", json)) return fault;
  FieldReader fields(json);
  ModelFacts facts;
  facts.vocabulary = 265;
  facts.mostAtOnce = mostAtOnce;
  readPrompts(fields, facts, out);
  return fields.fault();
}

ApiFault chat(const std::string& body, ChatFields& out) {
  Json json;
  if (ApiFault fault = parseBody("{" + body + "}", json)) return fault;
  FieldReader fields(json);
  readChatFields(fields, out);
  return fields.fault();
}

TEST(RequestPrompts, MoreThanTheQueueEverTakesIsNoMatterOfWaiting) {
  std::vector<Prompt> out;
  EXPECT_FALSE(prompts(R"(["a","b","c"])", out, 3));
  const ApiFault fault = prompts(R"(["a","b","c","d"])", out, 3);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->status, 400);
  EXPECT_EQ(fault->param, "prompt");
  EXPECT_NE(fault->message.find("holds 4 prompts, and this server takes at most 3 at once"), std::string::npos);
  EXPECT_FALSE(prompts("[1,2,3,4]", out, 3)) << "one prompt of four tokens";
}

TEST(RequestPrompts, PartsAsClientsSendThemBack) {
  for (const auto& [content, text] :
       {std::pair{R"("content":[{"type":"text","text":"a"},"b"])", "a\nb"}, std::pair{R"("refusal":"no")", "no"},
        std::pair{R"("content":null,"refusal":"no")", "no"},
        std::pair{R"("content":[{"type":"refusal","refusal":"no"}])", "no"},
        std::pair{R"("content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"a"}])", "hm\na"}}) {
    ChatFields out;
    const ApiFault fault = chat(R"("messages":[{"role":"assistant",)" + std::string(content) + "}]", out);
    ASSERT_FALSE(fault) << content << fault->message;
    EXPECT_EQ(out.lastContent, text) << content;
  }
  ChatFields out;
  EXPECT_FALSE(chat(R"("messages":[{"role":"user","content":[{"type":"refusal","refusal":"no"}]}])", out));
  EXPECT_EQ(out.lastContent, "no") << "vLLM asks not whose part it is";
}

TEST(RequestPrompts, PartsNeedAType) {
  struct Case {
    const char* message;
    const char* param;
    const char* code = "invalid_value";
  };
  const Case cases[] = {
      {R"("role":"user","refusal":"no")", "messages[0].content"},
      {R"("role":"assistant","refusal":7)", "messages[0].refusal"},
      {R"("role":"assistant","refusal":["no"])", "messages[0].refusal"},
      {R"("role":"assistant","content":[7])", "messages[0].content[0]"},
      {R"("role":"user","content":["a",{"text":"b"}])", "messages[0].content[1]"},
      {R"("role":"user","content":[{"type":null,"text":"b"}])", "messages[0].content[0]"},
      {R"("role":"user","content":[{"type":7,"text":"b"}])", "messages[0].content[0]"},
      {R"("role":"assistant","content":[{"refusal":"no"}])", "messages[0].content[0]"},
      {R"("role":"user","content":[{}])", "messages[0].content[0]"},
      {R"("role":"user","content":[{"type":"text"}])", "messages[0].content[0].text"},
      {R"("role":"user","content":[{"type":"text","text":null}])", "messages[0].content[0].text"},
      {R"("role":"assistant","content":[{"type":"refusal","text":"no"}])", "messages[0].content[0].refusal"},
      {R"("role":"assistant","content":[{"type":"refusal","refusal":5}])", "messages[0].content[0].refusal"},
      {R"("role":"user","content":[{"image_url":{"url":"x"}}])", "messages[0].content[0]", "unsupported_content"},
      {R"("role":"user","content":[{"type":null,"input_audio":{}}])", "messages[0].content[0]", "unsupported_content"},
      {R"("role":"user","content":[{"type":"file","file":{}}])", "messages[0].content[0]", "unsupported_content"},
  };
  for (const auto& [message, param, code] : cases) {
    ChatFields out;
    const ApiFault fault = chat(R"("messages":[{)" + std::string(message) + "}]", out);
    ASSERT_TRUE(fault) << message;
    EXPECT_EQ(fault->param, param) << message;
    EXPECT_EQ(fault->code, code) << message;
  }
  ChatFields out;
  EXPECT_EQ(chat(R"("messages":[{"role":"user","content":[{"text":"b"}]}])", out)->message,
            "'messages[0].content[0]' must be a text or an object with a type, as in "
            "{\"type\": \"text\", \"text\": \"...\"}");
}

TEST(RequestPrompts, TextsIdsAndListsOfEither) {
  std::vector<Prompt> out;
  EXPECT_FALSE(prompts(R"("one")", out));
  EXPECT_FALSE(prompts("[1,2]", out));
  EXPECT_FALSE(prompts(R"(["two","three"])", out));
  EXPECT_FALSE(prompts("[[3],[4,5]]", out));
  ASSERT_EQ(out.size(), 6u);
  EXPECT_EQ(std::get<std::string>(out[0]), "one");
  EXPECT_EQ(std::get<1>(out[1]), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(std::get<1>(out[5]), (std::vector<int32_t>{4, 5}));
}

TEST(RequestPrompts, BadPromptsNameTheirPlace) {
  for (const char* value : {R"("")", "[]", "[[]]", "[-1]", "[265]", "[1.5]", R"([1,"a"])", R"(["a",1])", "{}", "null",
                            "true", "[[1],[2,265]]", "[1e99]", R"([""])", R"(["a",[1]])", R"([[1],"a"])"}) {
    std::vector<Prompt> out;
    const ApiFault fault = prompts(value, out);
    ASSERT_TRUE(fault) << value;
    EXPECT_EQ(fault->status, 400);
    EXPECT_TRUE(fault->param.starts_with("prompt")) << fault->param;
  }
  std::vector<Prompt> out;
  EXPECT_EQ(prompts("[[1],[2,265]]", out)->param, "prompt[1]");
  EXPECT_EQ(prompts("[[1],[2,265]]", out)->message,
            "'prompt[1]' must be a text or a list of token ids below 265, and not empty, its entry 1 is 265");
  EXPECT_EQ(prompts("[]", out)->message,
            "'prompt' must be a text or a list of token ids below 265, and not empty, got []");
  EXPECT_EQ(prompts(R"(["a",[1]])", out)->message,
            "'prompt' must hold texts or lists of token ids, not both, and 'prompt[1]' is no text");
  std::string many = "[\"a\"";
  for (int i = 0; i < 256; ++i) many += ",\"a\"";
  EXPECT_EQ(prompts(many + "]", out)->param, "prompt");
}

TEST(RequestPrompts, MessagesAreFlattened) {
  ChatFields out;
  EXPECT_FALSE(chat(R"("messages":[{"role":"system","content":"s"},{"role":"system","content":"t"},
    {"role":"user","name":"bob","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])",
                    out));
  EXPECT_EQ(out.messages, R"([{"role":"system","content":"s"},{"role":"system","content":"t"},)"
                          R"({"role":"user","content":"a\nb","name":"bob"}])");
  EXPECT_TRUE(out.addGenerationPrompt);
}

TEST(RequestPrompts, ContinuingTheLastMessage) {
  ChatFields out;
  EXPECT_FALSE(chat(R"("messages":[{"role":"assistant","content":"Sure"}],"continue_final_message":true)", out));
  EXPECT_TRUE(out.continueFinal);
  EXPECT_FALSE(out.addGenerationPrompt);
  EXPECT_EQ(out.lastContent, "Sure");
  EXPECT_EQ(chat(R"("messages":[{"role":"user","content":"x"}],"continue_final_message":true)", out)->param,
            "continue_final_message");
  EXPECT_EQ(chat(R"("messages":[{"role":"assistant","content":"x"}],"continue_final_message":true,
    "add_generation_prompt":true)",
                 out)
                ->param,
            "continue_final_message");
}

TEST(RequestPrompts, BadMessagesNameTheirPlace) {
  struct Case {
    const char* body;
    const char* param;
    const char* code = "invalid_value";
  };
  const Case cases[] = {
      {R"("messages":[])", "messages"},
      {R"("messages":{})", "messages"},
      {R"("messages":null)", "messages"},
      {R"("x":1)", "messages"},
      {R"("messages":[null])", "messages[0]"},
      {R"("messages":[{"role":"user","content":"a"},{"role":"wizard","content":"a"}])", "messages[1].role"},
      {R"("messages":[{"role":"user"}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":null}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":{}}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x"}}]}])",
       "messages[0].content[0]", "unsupported_content"},
      {R"("messages":[{"role":"tool","content":"a"}])", "messages[0].role", "unsupported_parameter"},
      {R"("messages":[{"role":"assistant","content":"a","tool_calls":[{}]}])", "messages[0].tool_calls",
       "unsupported_parameter"},
      {R"("messages":[{"role":"user","content":"a"}],"chat_template_kwargs":{"chat_template":"x"})",
       "chat_template_kwargs", "unsupported_parameter"},
      {R"("messages":[{"role":"user","content":"a"}],"chat_template_kwargs":[])", "chat_template_kwargs"},
  };
  for (const auto& [body, param, code] : cases) {
    ChatFields out;
    const ApiFault fault = chat(body, out);
    ASSERT_TRUE(fault) << body;
    EXPECT_EQ(fault->param, param) << body;
    EXPECT_EQ(fault->code, code) << body;
  }
  ChatFields out;
  const std::string longName(1 << 20, 'n');
  EXPECT_EQ(chat(R"("messages":[{"role":"user","content":"a","name":")" + longName + R"("}])", out)->param,
            "messages[0].name");
}

}  // namespace
}  // namespace llmc::rt::server
