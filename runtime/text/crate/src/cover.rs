//! How many bytes of a text one token can stand for: a text that cannot fit is then refused without encoding it.

use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::{AddedToken, Model, ModelWrapper, Tokenizer};

/// Unicode normal forms shorten a text at most so many times: a character has at most four bytes, and one that is put
/// together has two bytes and up to three parts or three bytes and up to four.
const NORMAL_FORM: usize = 6;

/// Nothing where a part may drop text, or make one token of any number of bytes.
pub fn bytes_per_token(tokenizer: &Tokenizer, size: u32) -> Option<u64> {
    let ModelWrapper::BPE(model) = tokenizer.get_model() else { return None };
    let normalizer = serde_json::to_value(tokenizer.get_normalizer()).ok()?;
    let splitter = serde_json::to_value(tokenizer.get_pre_tokenizer()).ok()?;
    let factor = shortening(&normalizer)?;
    keeps(&splitter).then_some(())?;
    let byte_level = has(&splitter, "ByteLevel");
    knows_every_byte(model, byte_level).then_some(())?;
    let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
    added.values().all(is_plain).then_some(())?;
    let longest = (0..size)
        .filter_map(|id| match added.get(&id) {
            Some(token) => Some(token.content.len()),
            None if byte_level => model.id_to_token(id).map(|text| text.chars().count()),
            None => model.id_to_token(id).map(|text| text.len()),
        })
        .max()?;
    Some((longest * factor) as u64)
}

/// A token that takes blanks beside it takes any number of them; text that spells a control token of one character,
/// where none may be made, becomes nothing.
fn is_plain(token: &AddedToken) -> bool {
    !token.lstrip && !token.rstrip && !(token.special && token.content.chars().count() < 2)
}

/// Else a character is dropped, or an unknown one joins its neighbours.
fn knows_every_byte(model: &BPE, byte_level: bool) -> bool {
    let whole = model.continuing_subword_prefix.is_none() && model.end_of_word_suffix.is_none();
    let known = |byte: u8| match byte_level {
        true => model.token_to_id(&level_char(byte).to_string()).is_some(),
        false => model.byte_fallback && model.token_to_id(&format!("<0x{byte:02X}>")).is_some(),
    };
    whole && (0..=u8::MAX).all(known)
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
