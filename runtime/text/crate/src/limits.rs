//! Limits on files and requests: the numbers of runtime/base/limits.h that this crate needs, and its own.

use std::time::Duration;

/// limits::kTokenizerBytes.
pub const TOKENIZER_BYTES: usize = 256 << 20;
/// limits::kTemplateBytes.
pub const TEMPLATE_BYTES: usize = 1 << 20;
/// limits::kJsonDepth.
pub const JSON_DEPTH: usize = 64;
/// limits::kVocab.
pub const VOCAB: u32 = 1 << 24;
/// limits::kPromptBytes.
pub const PROMPT_BYTES: usize = 64 << 20;
/// limits::kTemplateOutputBytes.
pub const TEMPLATE_OUTPUT_BYTES: usize = 4 << 20;
/// limits::kTemplateFuel: steps of one rendering.
pub const TEMPLATE_FUEL: u64 = 1_000_000;

/// Memory that reading or rendering a template may use beyond the messages.
pub const TEMPLATE_MEMORY_BYTES: usize = 64 << 20;
/// Processor time of reading a template, or of one rendering with the reading before it.
pub const TEMPLATE_CPU: Duration = Duration::from_millis(800);
/// Time to find the line at which a rendering passed its memory, time or stack.
pub const TEMPLATE_LOCATE: Duration = Duration::from_millis(400);

/// Nesting of calls while a template runs.
pub const TEMPLATE_DEPTH: usize = 64;
/// Nesting of blocks and brackets in a template's text; each level costs stack in the parser.
pub const TEMPLATE_NESTING: usize = 100;
/// A message of raise_exception longer than this is cut.
pub const RAISED_BYTES: usize = 1024;
/// Added tokens of one tokenizer and the bytes of one of them.
pub const ADDED_TOKENS: usize = 200_000;
pub const ADDED_TOKEN_BYTES: usize = 1024;
/// Bytes of one regular expression.
pub const REGEX_BYTES: usize = 16 << 10;
/// Memory and processor time to compile a file's patterns.
pub const REGEX_MEMORY_BYTES: usize = 64 << 20;
pub const REGEX_CPU: Duration = Duration::from_millis(800);
/// A text larger than this is encoded in a child even with a tokenizer whose parts are known to take linear time.
pub const ENCODE_HERE_BYTES: usize = 4 << 20;
/// What a child may use to encode a text, and more for each of its bytes.
pub const ENCODE_MEMORY_BYTES: usize = 64 << 20;
pub const ENCODE_MEMORY_PER_BYTE: usize = 4 << 10;
pub const ENCODE_CPU: Duration = Duration::from_millis(800);
pub const ENCODE_CPU_PER_BYTE: Duration = Duration::from_micros(6);
/// Tokens for each byte of a text, at most.
pub const TOKENS_PER_BYTE: usize = 16;
/// How much all replace rules together may lengthen a text.
pub const EXPANSION: u64 = 4096;
/// Tokens a stream holds back while they make no complete character; then it lets them go as U+FFFD.
pub const HELD_TOKENS: usize = 64;
