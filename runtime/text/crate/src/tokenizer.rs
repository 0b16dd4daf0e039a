//! A tokenizer.json made ready: encode with control over special tokens, decode, and the bytes of each token.

use crate::added::{AddedTokens, Allowed};
use crate::byte_pairs::BytePairs;
use crate::failure::{Failure, Outcome};
use crate::cover::{self, Cover};
use crate::model::{TextModel, Tokenizer};
use crate::table::TokenTable;
use crate::{cell, limits, scan};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;
use tokenizers::tokenizer::pre_tokenizer::OffsetType;
use tokenizers::{AddedToken, Model, PreTokenizer};

/// How a token's stored text becomes bytes.
#[derive(Clone, Copy)]
struct Spelling {
    /// Each character stands for one byte (GPT-2's alphabet).
    byte_level: bool,
    /// "<0x0A>" stands for one byte.
    byte_fallback: bool,
    /// U+2581 stands for a space.
    metaspace: bool,
}

pub struct TextTokenizer {
    pub inner: Tokenizer,
    pub added: AddedTokens,
    special_ids: HashSet<u32>,
    spelling: Spelling,
    /// All parts are known to encode in linear time; others run in a child (cell.rs).
    linear: bool,
    /// Largest id + 1: what a logits row has to cover.
    size: u32,
    /// Of cover.rs; made by the first who asks, because most programs never do.
    cover: OnceLock<Option<Cover>>,
}

fn broken(error: tokenizers::Error) -> Failure {
    Failure::request("TK_ENCODE", error.to_string())
}

/// A tokenizer.json in two parts.
pub struct Compact {
    /// All but the vocabulary and the merges.
    pub json: Vec<u8>,
    /// As table.rs says.
    pub table: Vec<u8>,
}

/// None: no table can hold it, and the file stays as it is.
pub fn compact(json: &[u8]) -> Outcome<Option<Compact>> {
    let checked = scan::check_tokenizer(json)?;
    let Some(table) = checked.model.table() else { return Ok(None) };
    let mut parts = checked.parts;
    parts.insert("model".to_owned(), Value::Object(checked.model.others));
    let json = serde_json::to_vec(&parts).map_err(|e| Failure::file("TK_JSON", e.to_string()))?;
    let usable = TextTokenizer::create(&json, Some(Cow::Owned(table.clone()))).is_ok();
    Ok(usable.then_some(Compact { json, table }))
}

/// Nearly all files hold a byte-pair model: its table is either here or made now, in a third of the time that the crate
/// takes for its maps. Others, and all faults, are the crate's. Also largest id + 1.
fn parse(json: &[u8], table: Option<TokenTable>, checked: scan::Checked) -> Outcome<(Tokenizer, u32)> {
    let given = table.is_some();
    let table = match table {
        Some(table) => Some(table),
        None => checked.model.table().map(|table| TokenTable::open(Cow::Owned(table))).transpose()?,
    };
    if let Some(table) = table
        && let Some(settings) = checked.model.settings()
    {
        let size = table.ids();
        if let Some(tokenizer) = assemble(checked.parts, BytePairs { table, settings }) {
            let size = scan::check_added_ids(&tokenizer, size)?;
            return Ok((tokenizer, size));
        }
    }
    if given {
        return Err(Failure::file("TK_TABLE", "the tokenizer beside the token table is none of byte pairs"));
    }
    let tokenizer =
        Tokenizer::from_bytes(json).map_err(|e| Failure::file(scan::parse_code(&e.to_string()), e.to_string()))?;
    let size = scan::check_added_ids(&tokenizer, scan::vocabulary_size(&tokenizer)?)?;
    Ok((tokenizer, size))
}

/// As the crate makes one from a file: added tokens come last, they take ids from the model.
fn assemble(mut parts: Map<String, Value>, model: BytePairs) -> Option<Tokenizer> {
    let added = parts.remove("added_tokens").unwrap_or_else(|| Value::Array(Vec::new()));
    let added: Vec<AddedToken> = serde_json::from_value(added).ok()?;
    parts.insert("model".to_owned(), serde_json::json!({"type": "BPE", "vocab": {}, "merges": []}));
    let mut tokenizer: Tokenizer = serde_json::from_value(Value::Object(parts)).ok()?;
    tokenizer.with_model(TextModel::Table(model));
    tokenizer.add_tokens(added).ok()?;
    Some(tokenizer)
}

impl TextTokenizer {
    /// `table`: what compact() gave with this JSON; none: it is in the JSON itself.
    pub fn create(json: &[u8], table: Option<Cow<'static, [u8]>>) -> Outcome<Self> {
        let table = table.map(TokenTable::open).transpose()?;
        let checked = scan::check_tokenizer(json)?;
        scan::check_compilation(&checked.unknown)?;
        let no_unknown = checked.unknown.is_empty();
        let (mut inner, size) = parse(json, table, checked)?;
        // Cutting and padding are the caller's business; files keep what the last training run left there.
        let _ = inner.with_truncation(None);
        inner.with_padding(None);
        let vocabulary = inner.get_added_vocabulary();
        let added = AddedTokens::new(
            vocabulary.get_added_tokens_decoder().iter().map(|(id, token)| (*id, token)),
            inner.get_normalizer(),
        )
        .map_err(|e| Failure::file("TK_ADDED", e.to_string()))?;
        let special_ids = vocabulary
            .get_added_tokens_decoder()
            .iter()
            .filter(|(_, token)| token.special)
            .map(|(id, _)| *id)
            .collect();
        let decoder = inner.get_decoder().and_then(|d| serde_json::to_string(d).ok()).unwrap_or_default();
        let spelling = Spelling {
            byte_level: decoder.contains("\"ByteLevel\""),
            byte_fallback: decoder.contains("\"ByteFallback\""),
            metaspace: decoder.contains("\"Metaspace\"") || decoder.contains('\u{2581}'),
        };
        let linear = no_unknown && inner.get_model().spelling().is_some();
        let tokenizer = TextTokenizer { inner, added, special_ids, spelling, linear, size, cover: OnceLock::new() };
        // A normaliser, splitter or pattern that cannot run fails here and not in the first request.
        tokenizer
            .encode(" Aa1 \n\u{e9}\u{4e2d}\u{1f600} <s>", true, &[])
            .map_err(|e| Failure::file("TK_UNSUPPORTED", e.message))?;
        Ok(tokenizer)
    }

    pub fn size(&self) -> u32 {
        self.size
    }

    /// Encoding `text` gives at least so many tokens; 0 where its bytes do not tell.
    pub fn least_tokens(&self, text: &str) -> usize {
        self.cover.get_or_init(|| cover::of(&self.inner, self.size)).as_ref().map_or(0, |c| c.least_tokens(text))
    }

    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.contains(&id)
    }

    pub fn encode(&self, text: &str, add_special: bool, allowed: Allowed) -> Outcome<Vec<u32>> {
        if text.len() > limits::PROMPT_BYTES {
            return Err(Failure::limit("TK_TEXT_TOO_LARGE", "text is larger than a prompt may be"));
        }
        if self.linear && text.len() <= limits::ENCODE_HERE_BYTES {
            return self.encode_here(text, add_special, allowed);
        }
        let size = text.len() + 64;
        let allowance = cell::Allowance {
            memory: limits::ENCODE_MEMORY_BYTES + limits::ENCODE_MEMORY_PER_BYTE * size,
            cpu: limits::ENCODE_CPU + limits::ENCODE_CPU_PER_BYTE * size as u32,
            answer: size_of::<u32>() * limits::TOKENS_PER_BYTE * size + (64 << 10),
            c_code: true,
        };
        let work = || Ok(self.encode_here(text, add_special, allowed)?.into_iter().flat_map(u32::to_ne_bytes).collect());
        let lost = || Failure::limit("TK_LIMIT", "the tokenizer takes too much time or memory for this text");
        let bytes = cell::run(allowance, |_| cell::reply(work()))?.0.outcome(lost)?;
        Ok(bytes.chunks_exact(4).map(|id| u32::from_ne_bytes([id[0], id[1], id[2], id[3]])).collect())
    }

    fn encode_here(&self, text: &str, add_special: bool, allowed: Allowed) -> Outcome<Vec<u32>> {
        let mut pieces = self.added.extract(self.inner.get_normalizer(), text, allowed).map_err(broken)?;
        if let Some(splitter) = self.inner.get_pre_tokenizer() {
            splitter.pre_tokenize(&mut pieces).map_err(broken)?;
        }
        pieces.tokenize(|piece| self.words(piece.get())).map_err(broken)?;
        let encoding = pieces.into_encoding(None, 0, OffsetType::None).map_err(broken)?;
        let encoding = self.inner.post_process(encoding, None, add_special).map_err(broken)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Tokens of plain text. Models that keep control tokens in their own vocabulary (unigram, whole-word lookups) could
    /// make one from text that spells it; such a word is cut after its first character and done again.
    fn words(&self, text: &str) -> tokenizers::Result<Vec<tokenizers::Token>> {
        let tokens = self.inner.get_model().tokenize(text)?;
        let spelled = tokens.iter().find(|t| {
            self.special_ids.contains(&t.id) && text.get(t.offsets.0..t.offsets.1) == Some(t.value.as_str())
        });
        let Some(token) = spelled else { return Ok(tokens) };
        let Some(first) = token.value.chars().next() else { return Ok(tokens) };
        let cut = token.offsets.0 + first.len_utf8();
        if cut >= text.len() && token.offsets.0 == 0 {
            return Ok(Vec::new()); // one character that is a control token by itself: no other spelling exists
        }
        let cut = if cut >= text.len() { token.offsets.0 } else { cut };
        let mut out = self.words(&text[..cut])?;
        out.extend(self.words(&text[cut..])?);
        Ok(out)
    }

    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Outcome<String> {
        self.inner.decode(ids, skip_special).map_err(|e| Failure::request("TK_DECODE", e.to_string()))
    }

    /// The token's stored text, or nothing for an id no token has.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The bytes the token adds to a text, or nothing for an id no token has.
    pub fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        if let Some(token) = self.inner.get_added_vocabulary().get_added_tokens_decoder().get(&id) {
            return Some(token.content.clone().into_bytes());
        }
        let text = self.inner.id_to_token(id)?;
        if self.spelling.byte_fallback
            && let Some(byte) = fallback_byte(&text)
        {
            return Some(vec![byte]);
        }
        if self.spelling.byte_level {
            return Some(text.chars().map(level_byte).collect::<Option<_>>().unwrap_or(text.into_bytes()));
        }
        Some(if self.spelling.metaspace { text.replace('\u{2581}', " ") } else { text }.into_bytes())
    }
}

fn fallback_byte(text: &str) -> Option<u8> {
    let hex = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2).then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

/// Inverse of GPT-2's byte alphabet: printable Latin-1 stands for itself, the other 68 bytes follow from U+0100.
fn level_byte(c: char) -> Option<u8> {
    let code = c as u32;
    let itself = |b: u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if itself(code) {
        return Some(code as u8);
    }
    let index = code.checked_sub(0x100)? as usize;
    (0u32..256).filter(|b| !itself(*b)).nth(index).map(|b| b as u8)
}
