//! Checks of an untrusted tokenizer.json that the tokenizers crate does not make itself.

use crate::failure::{Failure, Outcome};
use crate::bpe::ModelText;
use crate::model::Tokenizer;
use crate::{cell, limits};
use serde_json::{Map, Value};
use std::collections::HashMap;
use tokenizers::Model;

/// Brackets nested deeper than `limit`; strings are skipped. Costs one pass and no memory.
pub fn deeper_than(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

/// Of a tokenizer.json that is safe to read, if its unknown patterns compile.
pub struct Checked<'a> {
    /// All but the model.
    pub parts: Map<String, Value>,
    pub model: ModelText<'a>,
    /// Patterns that are not known to take linear time.
    pub unknown: Vec<String>,
}

pub fn check_tokenizer(json: &[u8]) -> Outcome<Checked<'_>> {
    if json.len() > limits::TOKENIZER_BYTES {
        return Err(Failure::file("TK_TOO_LARGE", "tokenizer.json is larger than 256 MiB"));
    }
    if deeper_than(json, limits::JSON_DEPTH) {
        return Err(Failure::file("TK_DEPTH", "tokenizer.json is nested deeper than 64"));
    }
    let text = std::str::from_utf8(json).map_err(|e| Failure::file("TK_UTF8", format!("tokenizer.json: {e}")))?;
    let parts: Parts = serde_json::from_str(text).map_err(|e| {
        let text = e.to_string();
        Failure::file(if text.contains("token id") { "TK_ID" } else { "TK_JSON" }, text)
    })?;
    let Parts { others: parts, model } = parts;
    check_added(parts.get("added_tokens").and_then(Value::as_array))?;
    let mut unknown = Vec::new();
    for name in ["normalizer", "pre_tokenizer", "post_processor", "decoder"] {
        let part = parts.get(name).unwrap_or(&Value::Null);
        check_patterns(part, &mut unknown)?;
        if expansion(part) > limits::EXPANSION {
            return Err(Failure::file("TK_EXPANSION", "replace rules may lengthen a text too much"));
        }
    }
    Ok(Checked { parts, model, unknown })
}

/// The small parts of the file, as trees, and the model.
#[derive(Default)]
struct Parts<'de> {
    others: Map<String, Value>,
    model: ModelText<'de>,
}

impl<'de> serde::Deserialize<'de> for Parts<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> serde::de::Visitor<'de> for Visit {
            type Value = Parts<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a tokenizer.json object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
                let mut parts = Parts::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "model" {
                        parts.model = map.next_value()?;
                    } else {
                        parts.others.insert(key, map.next_value()?);
                    }
                }
                Ok(parts)
            }
        }
        source.deserialize_map(Visit)
    }
}

fn check_added(tokens: Option<&Vec<Value>>) -> Outcome<()> {
    let Some(tokens) = tokens else { return Ok(()) };
    if tokens.len() > limits::ADDED_TOKENS {
        return Err(Failure::file("TK_ADDED", format!("{} added tokens", tokens.len())));
    }
    let mut seen = HashMap::new();
    for token in tokens {
        let content = token.get("content").and_then(Value::as_str).unwrap_or_default();
        if content.is_empty() || content.len() > limits::ADDED_TOKEN_BYTES {
            return Err(Failure::file("TK_ADDED", "an added token is empty or longer than 1024 bytes"));
        }
        let id = token.get("id").and_then(Value::as_u64).filter(|id| *id < limits::VOCAB as u64);
        let Some(id) = id else {
            return Err(Failure::file("TK_ID", format!("added token {content:?} has no usable id")));
        };
        if seen.insert(id, content).is_some_and(|other| other != content) {
            return Err(Failure::file("TK_ID", format!("two added tokens have id {id}")));
        }
    }
    Ok(())
}

/// Patterns of well-known tokenizers (Llama 3, Qwen 2 and 3, Mistral Nemo, GPT-2 and what sentencepiece files use): they take
/// linear time on every text.
const KNOWN_PATTERNS: [&str; 6] = [
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r" {2,}",
    r"\s+",
];

fn check_patterns(part: &Value, unknown: &mut Vec<String>) -> Outcome<()> {
    match part {
        Value::Object(map) => {
            if let Some(pattern) = map.get("Regex").and_then(Value::as_str) {
                check_regex(pattern)?;
                if !KNOWN_PATTERNS.contains(&pattern) {
                    unknown.push(pattern.to_owned());
                }
            }
            map.values().try_for_each(|value| check_patterns(value, unknown))
        }
        Value::Array(list) => list.iter().try_for_each(|value| check_patterns(value, unknown)),
        _ => Ok(()),
    }
}

/// Compiles untrusted patterns in a child, so that it is safe to do it here afterwards.
pub fn check_compilation(patterns: &[String]) -> Outcome<()> {
    if patterns.is_empty() {
        return Ok(());
    }
    let compile = || {
        for pattern in patterns {
            tokenizers::utils::SysRegex::new(pattern)
                .map_err(|e| Failure::file("TK_REGEX", format!("pattern {pattern:.100?}: {e}")))?;
        }
        Ok(Vec::new())
    };
    let (memory, cpu) = (limits::REGEX_MEMORY_BYTES, limits::REGEX_CPU);
    let allowance = cell::Allowance { memory, cpu, answer: 64 << 10, c_code: true };
    let lost = || Failure::file("TK_REGEX", "compiling the patterns takes more than 64 MiB of memory or 0.8 seconds");
    cell::run(allowance, |_| cell::reply(compile()))?.0.outcome(lost).map(|_| ())
}

/// Refuses patterns that can take exponential time: a repeated group that ends in a repeat, and back-references.
fn check_regex(pattern: &str) -> Outcome<()> {
    let refuse = |why: &str| Err(Failure::file("TK_REGEX", format!("pattern {:.100?}: {why}", pattern)));
    if pattern.len() > limits::REGEX_BYTES {
        return refuse("longer than 16 KiB");
    }
    let bytes = pattern.as_bytes();
    let (mut at, mut in_class, mut open) = (0, 0usize, Vec::new());
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                let next = bytes.get(at + 1).copied().unwrap_or(0);
                if in_class == 0 && (next.is_ascii_digit() && next != b'0' || next == b'k' || next == b'g') {
                    return refuse("has a back-reference");
                }
                at += 1;
            }
            b'[' => in_class += 1,
            b']' => in_class = in_class.saturating_sub(1),
            _ if in_class > 0 => {}
            b'(' => open.push(false),
            b')' => {
                let repeats_inside = open.pop().unwrap_or(false);
                let repeated = matches!(bytes.get(at + 1), Some(b'*' | b'+')) || unbounded(&bytes[at + 1..]);
                if repeats_inside && repeated {
                    return refuse("repeats a group that repeats");
                }
                if let Some(outer) = open.last_mut() {
                    *outer |= repeats_inside || repeated;
                }
            }
            b'*' | b'+' => open.iter_mut().for_each(|o| *o = true),
            b'{' if unbounded(&bytes[at..]) => open.iter_mut().for_each(|o| *o = true),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// "{2,}" at the start of `rest`.
fn unbounded(rest: &[u8]) -> bool {
    rest.first() == Some(&b'{')
        && rest.iter().position(|b| *b == b'}').is_some_and(|end| rest[1..end].ends_with(b","))
}

/// Largest factor by which the replace rules of a part can lengthen a text.
fn expansion(part: &Value) -> u64 {
    match part {
        Value::Object(map) => {
            let own = match map.get("type").and_then(Value::as_str) {
                Some("Replace") => map.get("content").and_then(Value::as_str).map_or(1, |c| c.len().max(1) as u64),
                Some("Prepend") => map.get("prepend").and_then(Value::as_str).map_or(1, |c| 1 + c.len() as u64 / 4),
                _ => 1,
            };
            map.values().fold(own, |sum, value| sum.saturating_mul(expansion(value)))
        }
        Value::Array(list) => list.iter().fold(1u64, |sum, value| sum.saturating_mul(expansion(value))),
        _ => 1,
    }
}

/// Which code a parser error of the tokenizers crate gets.
pub fn parse_code(text: &str) -> &'static str {
    if text.contains("out of vocabulary") || text.contains("erge") {
        "TK_MERGE"
    } else if text.contains("egex") || text.contains("Onig") {
        "TK_REGEX"
    } else if text.contains("recompiled") || text.contains("harsmap") {
        "TK_CHARSMAP"
    } else {
        "TK_UNSUPPORTED"
    }
}

/// Largest id + 1 of the model. Two tokens must not share an id, and no id may pass the limit.
pub fn vocabulary_size(tokenizer: &Tokenizer) -> Outcome<u32> {
    let model = tokenizer.get_model();
    // Ids from 0 on until every entry of the vocabulary was met; entries that share an id leave some unmet.
    let (mut unmet, mut next) = (model.get_vocab_size(), 0);
    while unmet > 0 && next < limits::VOCAB {
        unmet -= usize::from(model.id_to_token(next).is_some());
        next += 1;
    }
    if unmet > 0 { Err(shared_or_large_id(&tokenizer.get_vocab(false))) } else { Ok(next) }
}

/// The same with the added tokens, from `next` for the model alone.
pub fn check_added_ids(tokenizer: &Tokenizer, mut next: u32) -> Outcome<u32> {
    let model = tokenizer.get_model();
    for (id, token) in tokenizer.get_added_vocabulary().get_added_tokens_decoder() {
        if *id >= limits::VOCAB {
            return Err(Failure::file("TK_ID", format!("token id {id} is too large")));
        }
        if model.id_to_token(*id).is_some_and(|other| other != token.content) {
            return Err(Failure::file("TK_ID", format!("id {id} has two tokens; one is {:.60?}", token.content)));
        }
        next = next.max(id + 1);
    }
    if next == 0 {
        return Err(Failure::file("TK_ID", "the vocabulary is empty"));
    }
    Ok(next)
}

fn shared_or_large_id(vocab: &HashMap<String, u32>) -> Failure {
    let mut seen = HashMap::new();
    for (token, id) in vocab {
        if *id >= limits::VOCAB {
            return Failure::file("TK_ID", format!("token id {id} is too large"));
        }
        if seen.insert(id, token).is_some() {
            return Failure::file("TK_ID", format!("id {id} has two tokens; one is {token:.60?}"));
        }
    }
    Failure::file("TK_ID", "the vocabulary and its ids do not agree")
}
