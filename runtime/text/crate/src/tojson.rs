//! The `tojson` filter as chat templates know it: Python's json.dumps, not Jinja's HTML-safe one.

use crate::limits;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};

struct Style {
    ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sort: bool,
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// tojson(value, indent=None, ensure_ascii=False, separators=None, sort_keys=False).
pub fn tojson(value: &Value, indent: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let indent = match kwargs.get::<Option<Value>>("indent")?.or(indent).filter(|v| !v.is_none()) {
        None => None,
        Some(v) if v.as_str().is_some_and(|s| s.len() <= 64) => v.as_str().map(str::to_owned),
        Some(v) => match v.as_i64() {
            Some(n @ ..=64) => Some(" ".repeat(n.max(0) as usize)),
            _ => return Err(invalid("tojson: indent must be a small number or a short string")),
        },
    };
    let mut style = Style {
        ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        item: if indent.is_some() { "," } else { ", " }.into(),
        key: ": ".into(),
        indent,
    };
    if let Some(pair) = kwargs.get::<Option<Value>>("separators")?.filter(|v| !v.is_none()) {
        let parts: Vec<String> = pair.try_iter()?.take(3).filter_map(|v| v.as_str().map(str::to_owned)).collect();
        let [item, key] = <[String; 2]>::try_from(parts).map_err(|_| invalid("tojson: separators must be two strings"))?;
        (style.item, style.key) = (item, key);
    }
    kwargs.assert_all_used()?;
    let mut out = String::new();
    write(&mut out, value, &style, 0)?;
    Ok(Value::from_safe_string(out))
}

fn write(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    if depth > limits::TEMPLATE_DEPTH {
        return Err(invalid("tojson: value is nested too deep"));
    }
    if out.len() > limits::TEMPLATE_OUTPUT_BYTES {
        return Err(invalid("tojson: text is too large"));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&float(f64::try_from(value.clone())?)),
        ValueKind::String => string(out, value.as_str().unwrap_or_default(), style.ascii),
        ValueKind::Map => {
            let mut entries = Vec::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                entries.push((key_text(&key)?, item));
            }
            if style.sort {
                entries.sort_by(|a, b| a.0.cmp(&b.0));
            }
            let items = entries.into_iter().map(|(key, item)| (Some(key), item));
            group(out, ('{', '}'), items, style, depth)?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            group(out, ('[', ']'), value.try_iter()?.map(|item| (None, item)), style, depth)?;
        }
        kind => return Err(invalid(format!("Object of type {kind} is not JSON serializable"))),
    }
    Ok(())
}

fn group(
    out: &mut String,
    brackets: (char, char),
    items: impl Iterator<Item = (Option<String>, Value)>,
    style: &Style,
    depth: usize,
) -> Result<(), Error> {
    let line = |out: &mut String, level: usize| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            (0..level).for_each(|_| out.push_str(indent));
        }
    };
    out.push(brackets.0);
    let mut any = false;
    for (key, item) in items {
        if any {
            out.push_str(&style.item);
        }
        any = true;
        line(out, depth + 1);
        if let Some(key) = key {
            string(out, &key, style.ascii);
            out.push_str(&style.key);
        }
        write(out, &item, style, depth + 1)?;
    }
    if any {
        line(out, depth);
    }
    out.push(brackets.1);
    Ok(())
}

fn key_text(key: &Value) -> Result<String, Error> {
    Ok(match key.kind() {
        ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
        ValueKind::None => "null".into(),
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.into(),
        ValueKind::Number if key.is_integer() => key.to_string(),
        ValueKind::Number => float(f64::try_from(key.clone())?),
        kind => return Err(invalid(format!("keys must be str, int, float, bool or None, not {kind}"))),
    })
}

fn string(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ascii && c as u32 > 0x7e) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Python's repr of a float: shortest digits; exponent form below 1e-4 and from 1e16 on.
pub fn float(x: f64) -> String {
    if x.is_nan() {
        return "NaN".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    if x != 0.0 && !(1e-4..1e16).contains(&x.abs()) {
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let text = format!("{x}");
    if text.contains('.') { text } else { text + ".0" }
}
