//! One chat rendered: messages and settings in, text out, with the user's control-token spellings marked on request.

use crate::failure::{Failure, Outcome};
use crate::guard::Guard;
use crate::template::ChatTemplate;
use crate::tokenizer::TextTokenizer;
use crate::{clock, limits, python, scan};
use serde_json::{Map, Value};
use std::ops::Range;

/// A template with the names it may use for the model's tokens.
pub struct Chat {
    pub template: ChatTemplate,
    pub bos: String,
    pub eos: String,
    pub source: String,
}

pub struct Rendered {
    pub text: String,
    /// Byte ranges of `text` that must not be part of a control token.
    pub user: Vec<Range<usize>>,
}

fn parse(json: &str, what: &str) -> Outcome<Value> {
    if json.len() > limits::PROMPT_BYTES {
        return Err(Failure::limit("TM_TOO_LARGE", format!("{what} are larger than 64 MiB")));
    }
    if scan::deeper_than(json.as_bytes(), limits::JSON_DEPTH) {
        return Err(Failure::request("TM_DEPTH", format!("{what} are nested deeper than 64")));
    }
    serde_json::from_str(json).map_err(|e| Failure::request("TM_JSON", format!("{what}: {e}")))
}

impl Chat {
    /// `messages`: a JSON array. `extra`: a JSON object (tools, documents, enable_thinking, ...) or empty.
    /// `now`: seconds since 1970. With `tokenizer`, its control tokens in user text are marked.
    pub fn render(
        &self,
        messages: &str,
        extra: &str,
        add_generation_prompt: bool,
        now: i64,
        tokenizer: Option<&TextTokenizer>,
    ) -> Outcome<Rendered> {
        let mut list = parse(messages, "messages")?;
        if !list.is_array() {
            return Err(Failure::request("TM_JSON", "messages are not an array"));
        }
        let mut more = if extra.is_empty() { Value::Object(Map::new()) } else { parse(extra, "template arguments")? };
        if !more.is_object() {
            return Err(Failure::request("TM_JSON", "template arguments are not an object"));
        }
        let guard = match tokenizer {
            None => None,
            Some(t) => {
                // Escapes in the JSON text hide characters, so the search for a free mark needs the parsed strings.
                let (a, b) = (texts(&list), texts(&more));
                let inputs = [self.source.as_str(), &self.bos, &self.eos, &a, &b];
                let full = || Failure::request("TM_ERROR", "messages use every private character");
                Some(Guard::new(t.added.specials(), &inputs).ok_or_else(full)?)
            }
        };
        if let Some(guard) = &guard {
            guard.mark_json(&mut list);
            guard.mark_json(&mut more);
        }
        let mut context = Map::new();
        context.insert("messages".into(), list);
        context.insert("add_generation_prompt".into(), Value::Bool(add_generation_prompt));
        context.insert("bos_token".into(), Value::String(self.bos.clone()));
        context.insert("eos_token".into(), Value::String(self.eos.clone()));
        if let Value::Object(more) = more {
            context.extend(more);
        }
        context.insert(clock::NOW.into(), Value::from(now));
        let text = self.template.render(python::from_json(Value::Object(context)))?;
        let (text, user) = match guard {
            Some(guard) => guard.unmark(&text),
            None => (text, Vec::new()),
        };
        Ok(Rendered { text, user })
    }
}

/// All strings of a JSON tree, keys included, one after another.
fn texts(value: &Value) -> String {
    fn collect(value: &Value, out: &mut String) {
        match value {
            Value::String(text) => out.push_str(text),
            Value::Array(list) => list.iter().for_each(|item| collect(item, out)),
            Value::Object(map) => map.iter().for_each(|(key, item)| {
                out.push_str(key);
                collect(item, out);
            }),
            _ => {}
        }
    }
    let mut out = String::new();
    collect(value, &mut out);
    out
}
