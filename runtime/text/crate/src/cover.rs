//! How many tokens a text has at least, by its bytes alone: one that cannot fit is then refused without encoding it.

use crate::model::{Spelling, TextModel, Tokenizer};
use serde_json::Value;
use tokenizers::{AddedToken, Model};

/// Unicode normal forms shorten a text at most so many times: a character has at most four bytes, and one that is put
/// together has two bytes and up to three parts or three bytes and up to four.
const NORMAL_FORM: usize = 6;

/// What one token can stand for.
pub struct Cover {
    /// Bytes of a text.
    longest: usize,
    /// Bytes that have a token; the others vanish.
    known: [bool; 256],
}

impl Cover {
    pub fn least_tokens(&self, text: &str) -> usize {
        text.bytes().filter(|byte| self.known[*byte as usize]).count().div_ceil(self.longest)
    }
}

/// Nothing where a part may drop text, or make one token of any number of bytes.
pub fn of(tokenizer: &Tokenizer, size: u32) -> Option<Cover> {
    let model = tokenizer.get_model();
    let spelling = model.spelling()?;
    let normalizer = serde_json::to_value(tokenizer.get_normalizer()).ok()?;
    let splitter = serde_json::to_value(tokenizer.get_pre_tokenizer()).ok()?;
    let factor = shortening(&normalizer)?;
    keeps(&splitter).then_some(())?;
    let byte_level = has(&splitter, "ByteLevel");
    let known = known_bytes(model, &spelling, byte_level)?;
    // Unknown bytes that vanish can be left out of the count, but not where they make tokens together, nor where the text
    // does not tell which bytes a normalizer makes of it.
    let vanish = byte_level && normalizer.is_null() && !spelling.unknown;
    (vanish || (0..=u8::MAX).all(|byte| known[byte as usize] || never_in_utf8(byte))).then_some(())?;
    let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
    added.values().all(is_plain).then_some(())?;
    let longest = (0..size)
        .filter_map(|id| match added.get(&id) {
            Some(token) => Some(token.content.len()),
            None if byte_level => model.id_to_token(id).map(|text| text.chars().count()),
            None => model.id_to_token(id).map(|text| text.len()),
        })
        .max()?;
    Some(Cover { longest: (longest * factor).max(1), known })
}

/// A token that takes blanks beside it takes any number of them; text that spells a control token of one character,
/// where none may be made, becomes nothing.
fn is_plain(token: &AddedToken) -> bool {
    !token.lstrip && !token.rstrip && !(token.special && token.content.chars().count() < 2)
}

/// Nothing where tokens are spelled by their place in a word.
fn known_bytes(model: &TextModel, spelling: &Spelling, byte_level: bool) -> Option<[bool; 256]> {
    let known = |byte: usize| match byte_level {
        true => model.token_to_id(&level_char(byte as u8).to_string()).is_some(),
        false => spelling.byte_fallback && model.token_to_id(&format!("<0x{byte:02X}>")).is_some(),
    };
    (!spelling.affixes).then(|| std::array::from_fn(known))
}

fn never_in_utf8(byte: u8) -> bool {
    matches!(byte, 0xc0 | 0xc1 | 0xf5..)
}

/// The character for a byte in GPT-2's alphabet.
fn level_char(byte: u8) -> char {
    let itself = |b: u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    match itself(byte) {
        true => byte as char,
        false => char::from_u32(0x100 + (0..byte).filter(|b| !itself(*b)).count() as u32).unwrap_or_default(),
    }
}

fn kind(part: &Value) -> &str {
    part.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn parts<'a>(part: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    part.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// How many times a normalizer shortens a text at most.
fn shortening(part: &Value) -> Option<usize> {
    if part.is_null() {
        return Some(1);
    }
    match kind(part) {
        "Sequence" => parts(part, "normalizers").try_fold(1, |all: usize, one| Some(all * shortening(one)?)),
        "NFC" | "NFD" | "NFKC" | "NFKD" => Some(NORMAL_FORM),
        "Prepend" => Some(1),
        "Replace" => {
            let pattern = part.get("pattern")?.get("String")?.as_str()?;
            (part.get("content")?.as_str()?.len() >= pattern.len()).then_some(1)
        }
        _ => None,
    }
}

/// Whether a splitter keeps all of a text.
fn keeps(part: &Value) -> bool {
    match kind(part) {
        "" => part.is_null(),
        "Sequence" => parts(part, "pretokenizers").all(keeps),
        "Split" | "Punctuation" => part.get("behavior").and_then(Value::as_str).is_some_and(|b| b != "Removed"),
        kind => matches!(kind, "ByteLevel" | "Digits" | "Metaspace"),
    }
}

fn has(part: &Value, name: &str) -> bool {
    kind(part) == name || parts(part, "pretokenizers").any(|one| has(one, name))
}
