//! JSON values for templates: lists and dicts that turn into text as Python's do ("{'a': [1, None]}").

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value, ValueKind};
use std::fmt::{self, Write};
use std::sync::Arc;

#[derive(Debug)]
struct List(Vec<Value>);

#[derive(Debug)]
struct Dict(IndexMap<Value, Value>);

/// `json` as a template value. Depth is the caller's to limit.
pub fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Array(items) => Value::from_object(List(items.into_iter().map(from_json).collect())),
        serde_json::Value::Object(map) => {
            Value::from_object(Dict(map.into_iter().map(|(key, item)| (Value::from(key), from_json(item))).collect()))
        }
        other => Value::from_serialize(&other),
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (i, item) in self.0.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            repr(item, f)?;
        }
        f.write_char(']')
    }
}

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().cloned().collect())
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        for (i, (key, item)) in self.0.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            repr(key, f)?;
            f.write_str(": ")?;
            repr(item, f)?;
        }
        f.write_char('}')
    }
}

fn repr(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value.kind() {
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), f),
        ValueKind::Number if !value.is_integer() => {
            f.write_str(&crate::tojson::float(f64::try_from(value.clone()).unwrap_or(f64::NAN)))
        }
        _ => write!(f, "{value}"),
    }
}

/// Python's repr of a string: single quotes unless it holds one and no double quote.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if printable(c) => f.write_char(c)?,
            c if (c as u32) < 0x100 => write!(f, "\\x{:02x}", c as u32)?,
            c if (c as u32) < 0x10000 => write!(f, "\\u{:04x}", c as u32)?,
            c => write!(f, "\\U{:08x}", c as u32)?,
        }
    }
    f.write_char(quote)
}

/// str.isprintable for the characters that occur: separators, controls and format characters are not.
fn printable(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}'))
}
