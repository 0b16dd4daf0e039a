//! Keeps user text from spelling control tokens: marks such places before a template runs and finds them in its output.
//!
//! A mark is one character that occurs nowhere else, put behind the character that must not be part of a control token.
//! Templates may look at, trim and split contents as they like; text that spells no control token stays unchanged.

use serde_json::Value;
use std::ops::Range;

/// Strings under these keys choose branches of templates and are checked by the caller, not shown to the model as text.
const STRUCTURE: [&str; 2] = ["role", "type"];

pub struct Guard<'a> {
    specials: Vec<&'a str>,
    mark: char,
}

impl<'a> Guard<'a> {
    /// `inputs`: every text that could bring a mark in. None if all 6400 private characters are taken.
    pub fn new(specials: impl Iterator<Item = &'a str>, inputs: &[&str]) -> Option<Self> {
        let mut used = vec![false; 6400];
        for c in inputs.iter().flat_map(|text| text.chars()) {
            if let Some(slot) = (c as u32).checked_sub(0xe000).and_then(|i| used.get_mut(i as usize)) {
                *slot = true;
            }
        }
        let free = (0..6400).rev().find(|i| !used[*i])?;
        let mark = char::from_u32(0xe000 + free as u32)?;
        Some(Guard { specials: specials.filter(|s| !s.is_empty()).collect(), mark })
    }

    /// Marks all user text in messages or tools, in place.
    pub fn mark_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(marked) = self.mark_text(text) {
                    *text = marked;
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|item| self.mark_json(item)),
            Value::Object(map) => {
                let hostile = |key: &String| self.specials.iter().any(|s| key.contains(s));
                if map.keys().any(hostile) {
                    let old = std::mem::take(map);
                    map.extend(old.into_iter().map(|(k, v)| (self.mark_text(&k).unwrap_or(k), v)));
                }
                let inner = map.iter_mut().filter(|(key, _)| !STRUCTURE.contains(&key.as_str()));
                inner.for_each(|(_, item)| self.mark_json(item));
            }
            _ => {}
        }
    }

    /// `text` with a mark behind the first character of each control token in it, of one that its end begins, and behind
    /// its own first character if its start may end one. None if it needs no mark.
    fn mark_text(&self, text: &str) -> Option<String> {
        let mut starts = Vec::new();
        for special in &self.specials {
            let mut from = 0;
            while let Some(at) = text[from..].find(special) {
                starts.push(from + at);
                from += at + text[from + at..].chars().next().map_or(1, char::len_utf8);
            }
            let cuts = || special.char_indices().skip(1).map(|(i, _)| i);
            starts.extend(cuts().filter(|i| text.ends_with(&special[..*i])).map(|i| text.len() - i));
            if cuts().any(|i| text.starts_with(&special[i..])) {
                starts.push(0);
            }
        }
        if starts.is_empty() {
            return None;
        }
        starts.sort_unstable();
        starts.dedup();
        let (mut out, mut done) = (String::with_capacity(text.len() + 4 * starts.len()), 0);
        for start in starts {
            let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&text[done..end]);
            out.push(self.mark);
            done = end;
        }
        out.push_str(&text[done..]);
        Some(out)
    }

    /// Takes the marks out of rendered text. Returns the text and the byte ranges that are marked user text.
    pub fn unmark(&self, rendered: &str) -> (String, Vec<Range<usize>>) {
        let (mut text, mut user) = (String::with_capacity(rendered.len()), Vec::<Range<usize>>::new());
        let escaped = format!("\\u{:04x}", self.mark as u32);
        let mut rest = rendered;
        while let Some((at, size)) = self.next(rest, &escaped) {
            text.push_str(&rest[..at]);
            rest = &rest[at + size..];
            let Some(last) = text.chars().next_back() else { continue };
            let range = text.len() - last.len_utf8()..text.len();
            match user.last_mut() {
                Some(previous) if previous.end >= range.start => previous.end = range.end,
                _ => user.push(range),
            }
        }
        text.push_str(rest);
        (text, user)
    }

    /// The next mark: itself, or as tojson(ensure_ascii=True) spells it.
    fn next(&self, text: &str, escaped: &str) -> Option<(usize, usize)> {
        let plain = text.find(self.mark).map(|at| (at, self.mark.len_utf8()));
        let spelled = text.find(escaped).map(|at| (at, escaped.len()));
        [plain, spelled].into_iter().flatten().min()
    }
}
