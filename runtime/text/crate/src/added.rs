//! Finds added tokens in a text as the tokenizers crate does, but makes special ones only where the caller allows it.

use std::collections::HashMap;
use std::ops::Range;
use tokenizers::tokenizer::normalizer::{NormalizedString, Range as Span};
use tokenizers::{AddedToken, Normalizer, NormalizerWrapper, PreTokenizedString, Token};

/// Byte ranges of the text, sorted and disjoint, where a special token may be made (template text).
/// A special token has to lie inside one of them: two ranges that touch do not join.
pub type Allowed<'a> = &'a [Range<usize>];

struct Entry {
    id: u32,
    token: AddedToken,
}

/// Longest-match search over a set of patterns: a byte trie whose nodes share one edge table.
#[derive(Default)]
struct Trie {
    edges: HashMap<(u32, u8), u32>,
    ends: Vec<Option<u32>>,
    first: Vec<bool>,
}

impl Trie {
    fn new() -> Self {
        Trie { edges: HashMap::new(), ends: vec![None], first: vec![false; 256] }
    }

    fn insert(&mut self, pattern: &str, value: u32) {
        let Some(&head) = pattern.as_bytes().first() else { return };
        self.first[head as usize] = true;
        let mut node = 0;
        for &byte in pattern.as_bytes() {
            let next = self.ends.len() as u32;
            node = *self.edges.entry((node, byte)).or_insert(next);
            if node == next {
                self.ends.push(None);
            }
        }
        self.ends[node as usize] = Some(value);
    }

    /// Ends and values of the patterns that start at the beginning of `text`, shortest first.
    fn matches<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, u32)> + 'a {
        let mut node = 0;
        text.iter()
            .enumerate()
            .map_while(move |(at, &byte)| {
                node = *self.edges.get(&(node, byte))?;
                Some(self.ends[node as usize].map(|value| (at + 1, value)))
            })
            .flatten()
    }
}

/// The added tokens of a tokenizer, ready to search.
pub struct AddedTokens {
    entries: Vec<Entry>,
    plain: Trie,
    normalized: Trie,
}

impl AddedTokens {
    pub fn new<'a>(
        tokens: impl Iterator<Item = (u32, &'a AddedToken)>,
        normalizer: Option<&NormalizerWrapper>,
    ) -> tokenizers::Result<Self> {
        let mut sorted: Vec<_> = tokens.collect();
        sorted.sort_by_key(|(id, _)| *id);
        let mut set = AddedTokens { entries: Vec::new(), plain: Trie::new(), normalized: Trie::new() };
        for (id, token) in sorted {
            let index = set.entries.len() as u32;
            set.entries.push(Entry { id, token: token.clone() });
            if !token.normalized {
                set.plain.insert(&token.content, index);
                continue;
            }
            let mut text = NormalizedString::from(token.content.as_str());
            if let Some(normalizer) = normalizer {
                normalizer.normalize(&mut text)?;
            }
            set.normalized.insert(text.get(), index);
        }
        Ok(set)
    }

    pub fn specials(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(|e| e.token.special).map(|e| e.token.content.as_str())
    }

    /// AddedVocabulary::extract_and_normalize, with the rule of `allowed`.
    pub fn extract(
        &self,
        normalizer: Option<&NormalizerWrapper>,
        text: &str,
        allowed: Allowed,
    ) -> tokenizers::Result<PreTokenizedString> {
        let mut pieces: PreTokenizedString = text.into();
        pieces.split(|_, piece| self.split(piece, &self.plain, allowed, false))?;
        pieces.split(|_, mut piece| {
            if let Some(normalizer) = normalizer {
                normalizer.normalize(&mut piece)?;
            }
            self.split(piece, &self.normalized, allowed, true)
        })?;
        Ok(pieces)
    }

    fn split(
        &self,
        piece: NormalizedString,
        trie: &Trie,
        allowed: Allowed,
        normalized: bool,
    ) -> tokenizers::Result<Vec<(NormalizedString, Option<Vec<Token>>)>> {
        let mut out = Vec::new();
        for (found, range) in self.find(&piece, trie, allowed, normalized) {
            let slice = piece.slice(Span::Normalized(range)).ok_or("an added token splits a character")?;
            let tokens = found.map(|entry| {
                let value = slice.get().to_owned();
                let size = value.len();
                vec![Token::new(self.entries[entry as usize].id, value, (0, size))]
            });
            out.push((slice, tokens));
        }
        Ok(out)
    }

    /// Cuts `piece` into added tokens and the text between them; ranges are in its normalized text.
    fn find(
        &self,
        piece: &NormalizedString,
        trie: &Trie,
        allowed: Allowed,
        normalized: bool,
    ) -> Vec<(Option<u32>, Range<usize>)> {
        let text = piece.get();
        if text.is_empty() {
            return vec![(None, 0..0)];
        }
        let mut out = Vec::new();
        let (mut at, mut done) = (0, 0);
        while at < text.len() {
            let rest = &text.as_bytes()[at..];
            let longest = trie.first[rest[0] as usize]
                .then(|| {
                    let hits = trie.matches(rest);
                    hits.filter(|&(size, e)| self.allows(piece, e, at..at + size, allowed, normalized)).last()
                })
                .flatten();
            let Some((size, entry)) = longest else {
                at += 1;
                continue;
            };
            let (mut start, mut stop) = (at, at + size);
            at = stop;
            let token = &self.entries[entry as usize].token;
            if token.single_word && (word_before(text, start) || word_after(text, stop)) {
                continue;
            }
            if token.lstrip {
                start = text[..start].trim_end().len().max(done);
            }
            if token.rstrip {
                stop += text[stop..].len() - text[stop..].trim_start().len();
            }
            if done < start {
                out.push((None, done..start));
            }
            out.push((Some(entry), start..stop));
            done = stop;
        }
        if done < text.len() {
            out.push((None, done..text.len()));
        }
        out
    }

    fn allows(
        &self,
        piece: &NormalizedString,
        entry: u32,
        range: Range<usize>,
        allowed: Allowed,
        normalized: bool,
    ) -> bool {
        if !self.entries[entry as usize].token.special {
            return true;
        }
        let base = piece.offsets_original().0;
        let original = if normalized {
            match piece.convert_offsets(Span::Normalized(range)) {
                Some(r) => r.start + base..r.end + base,
                None => return false,
            }
        } else {
            range.start + base..range.end + base
        };
        let after = allowed.partition_point(|r| r.start <= original.start);
        after > 0 && original.end <= allowed[after - 1].end
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word_before(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(is_word)
}

fn word_after(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_some_and(is_word)
}
