/* C ABI of the Rust text library (crate/src/lib.rs): tokenizer, incremental decoding, chat templates. Used through the
 * C++ classes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Functions that can fail return 0 or one of these; then *error holds "CODE message" (owned) and no other output is
 * set. */
enum LlmcTextKind {
  LLMC_TEXT_BAD_FILE = 1,    /* the tokenizer or template is wrong */
  LLMC_TEXT_BAD_REQUEST = 2, /* the text or the messages are wrong */
  LLMC_TEXT_RAISED = 3,      /* the template called raise_exception */
  LLMC_TEXT_LIMIT = 4,       /* a limit would be passed */
  LLMC_TEXT_INTERNAL = 5,    /* a panic was caught */
  LLMC_TEXT_UNAVAILABLE = 6  /* the system gave no process or memory for untrusted work */
};

typedef struct {
  const uint8_t* data; /* bytes of UTF-8, or of none */
  size_t size;         /* bytes */
} LlmcTextView;        /* borrowed for the call */
typedef struct {
  uint8_t* data;         /* [size] bytes */
  size_t size, capacity; /* bytes */
} LlmcTextBytes;         /* owned: llmc_text_bytes_free */
typedef struct {
  uint32_t* data;        /* [size] token ids */
  size_t size, capacity; /* ids */
} LlmcTextIds;           /* owned: llmc_text_ids_free */
typedef struct {
  size_t begin, end;
} LlmcTextRange; /* bytes [begin, end) of a text */
typedef struct {
  LlmcTextRange* data;   /* [size] */
  size_t size, capacity; /* ranges, of 16 bytes each */
} LlmcTextRanges;        /* owned: llmc_text_ranges_free */

/* Called in place of an abort, when this library gets no memory; must not return. Before any other call. */
void llmc_text_on_no_memory(void (*handler)(void));

/* Handles. Tokenizers and templates never change after creation: any number of threads may use one. A stream has one
 * user at a time. */
typedef struct LlmcTokenizer LlmcTokenizer;
typedef struct LlmcStream LlmcStream;
typedef struct LlmcTemplate LlmcTemplate;

void llmc_text_bytes_free(LlmcTextBytes bytes);
void llmc_text_ids_free(LlmcTextIds ids);
void llmc_text_ranges_free(LlmcTextRanges ranges);

/* json: a Hugging Face tokenizer.json with an empty table, or both as llmc_tokenizer_compact gives them. After the call
 * the json is not needed; the table has to stay as it is until the tokenizer is freed. Tables from anywhere are safe:
 * one that compact did not make is an error here, or gives other tokens. */
int32_t llmc_tokenizer_create(LlmcTextView json, LlmcTextView table, LlmcTokenizer** out, LlmcTextBytes* error);
/* Cuts a tokenizer.json in two: its vocabulary and merges as a table that create reads without building anything, and
 * the small rest. Both are empty where no table can hold it (unigram models, say). The same input, the same bytes. */
int32_t llmc_tokenizer_compact(LlmcTextView json, LlmcTextBytes* rest, LlmcTextBytes* table, LlmcTextBytes* error);
void llmc_tokenizer_free(LlmcTokenizer* tokenizer);
/* Largest token id + 1. */
uint32_t llmc_tokenizer_size(const LlmcTokenizer* tokenizer);
bool llmc_tokenizer_is_special(const LlmcTokenizer* tokenizer, uint32_t id);
/* Encoding the text gives at least so many tokens; 0: its bytes alone do not tell. The first call takes milliseconds.
 */
size_t llmc_tokenizer_least_tokens(const LlmcTokenizer* tokenizer, LlmcTextView text);
/* add_special: add what the file's post-processor adds (often BOS). allowed: the ranges, sorted and disjoint, in which
 * text that spells a special token becomes that token; a token has to lie inside one range. */
int32_t llmc_tokenizer_encode(const LlmcTokenizer* tokenizer, LlmcTextView text, bool add_special,
                              const LlmcTextRange* allowed, size_t allowed_size, LlmcTextIds* out,
                              LlmcTextBytes* error);
/* Ids no token has are left out; bytes that are not UTF-8 become U+FFFD. */
int32_t llmc_tokenizer_decode(const LlmcTokenizer* tokenizer, const uint32_t* ids, size_t size, bool skip_special,
                              LlmcTextBytes* out, LlmcTextBytes* error);
bool llmc_tokenizer_token_to_id(const LlmcTokenizer* tokenizer, LlmcTextView token, uint32_t* id);
/* as_bytes: the bytes the token adds to a text, else its text as stored in the vocabulary. False: no such id. */
bool llmc_tokenizer_token(const LlmcTokenizer* tokenizer, uint32_t id, bool as_bytes, LlmcTextBytes* out);

LlmcStream* llmc_stream_create(void);
void llmc_stream_free(LlmcStream* stream);
/* Use the same tokenizer for all calls of one stream. */
int32_t llmc_stream_push(LlmcStream* stream, const LlmcTokenizer* tokenizer, uint32_t id, bool skip_special,
                         LlmcTextBytes* out, LlmcTextBytes* error);
int32_t llmc_stream_flush(LlmcStream* stream, const LlmcTokenizer* tokenizer, LlmcTextBytes* out, LlmcTextBytes* error);

int32_t llmc_template_create(LlmcTextView source, LlmcTextView bos, LlmcTextView eos, LlmcTemplate** out,
                             LlmcTextBytes* error);
void llmc_template_free(LlmcTemplate* chat_template);
/* messages: JSON array. extra: JSON object of further template variables, or empty. now: seconds since 1970 for
 * strftime_now. guard: null, or the tokenizer whose special tokens user text must not make; *user then gets the ranges
 * that must stay plain. */
int32_t llmc_template_render(const LlmcTemplate* chat_template, LlmcTextView messages, LlmcTextView extra,
                             bool add_generation_prompt, int64_t now, const LlmcTokenizer* guard, LlmcTextBytes* text,
                             LlmcTextRanges* user, LlmcTextBytes* error);

#ifdef __cplusplus
}
#endif
