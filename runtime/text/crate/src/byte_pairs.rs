//! Byte pairs over a token table: the ids that the tokenizers crate's model gives for the same vocabulary and merges,
//! without its maps.

use crate::table::TokenTable;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tokenizers::{Result, Token};

/// What a byte-pair model's file says beside vocabulary and merges.
#[derive(Default)]
pub struct Settings {
    pub unk_token: Option<String>,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    pub fuse_unk: bool,
    pub byte_fallback: bool,
    pub ignore_merges: bool,
}

pub struct BytePairs {
    pub table: TokenTable,
    pub settings: Settings,
}

/// A token of a word while its merges go on. `bytes` is 0 once its left neighbour has taken it.
#[derive(Clone, Copy)]
struct Symbol {
    id: u32,
    bytes: u32,
    previous: u32,
    next: u32,
}

/// No neighbour. Texts are below 64 MiB, so places fit.
const NONE: u32 = u32::MAX;

fn append(symbols: &mut Vec<Symbol>, id: u32, bytes: u32) {
    let at = symbols.len() as u32;
    if let Some(last) = symbols.last_mut() {
        last.next = at;
    }
    symbols.push(Symbol { id, bytes, previous: at.checked_sub(1).unwrap_or(NONE), next: NONE });
}

impl BytePairs {
    pub fn tokenize(&self, word: &str) -> Result<Vec<Token>> {
        if word.is_empty() {
            return Ok(Vec::new());
        }
        if self.settings.ignore_merges
            && let Some(id) = self.table.id_of(word)
        {
            return Ok(vec![Token::new(id, word.to_owned(), (0, word.len()))]);
        }
        let mut symbols = self.symbols(word)?;
        self.merge(&mut symbols);
        let mut end = 0;
        let tokens = symbols.iter().filter(|symbol| symbol.bytes != 0).map(|symbol| -> Result<Token> {
            let begin = end;
            end += symbol.bytes as usize;
            let text = self.table.token(symbol.id).ok_or_else(|| format!("no token has id {}", symbol.id))?;
            Ok(Token::new(symbol.id, text.to_owned(), (begin, end)))
        });
        tokens.collect()
    }

    /// A symbol for each character, or for each byte of one that has no token.
    fn symbols(&self, word: &str) -> Result<Vec<Symbol>> {
        let mut symbols = Vec::with_capacity(word.len());
        // Of characters that are neither: id and bytes. It waits for the next character with a token.
        let mut unknown: Option<(u32, u32)> = None;
        for (at, character) in word.char_indices() {
            let bytes = character.len_utf8();
            let text = self.affixed(&word[at..at + bytes], at == 0, at + bytes == word.len());
            if let Some(id) = self.table.id_of(&text) {
                if let Some((id, bytes)) = unknown.take() {
                    append(&mut symbols, id, bytes);
                }
                append(&mut symbols, id, bytes as u32);
            } else if let Some(ids) = self.byte_tokens(&text) {
                ids.into_iter().for_each(|id| append(&mut symbols, id, 1));
            } else if let Some(name) = &self.settings.unk_token {
                unknown = match unknown {
                    Some((id, before)) if self.settings.fuse_unk => Some((id, before + bytes as u32)),
                    before => {
                        if let Some((id, bytes)) = before {
                            append(&mut symbols, id, bytes);
                        }
                        let id = self.table.id_of(name);
                        Some((id.ok_or_else(|| format!("unk_token {name:?} is not in the vocabulary"))?, bytes as u32))
                    }
                };
            }
        }
        if let Some((id, bytes)) = unknown {
            append(&mut symbols, id, bytes);
        }
        Ok(symbols)
    }

    /// As the vocabulary spells a character at this place of a word.
    fn affixed<'a>(&self, character: &'a str, first: bool, last: bool) -> Cow<'a, str> {
        let prefix = self.settings.continuing_subword_prefix.as_deref().filter(|_| !first).unwrap_or_default();
        let suffix = self.settings.end_of_word_suffix.as_deref().filter(|_| last).unwrap_or_default();
        match prefix.is_empty() && suffix.is_empty() {
            true => Cow::Borrowed(character),
            false => Cow::Owned(format!("{prefix}{character}{suffix}")),
        }
    }

    fn byte_tokens(&self, text: &str) -> Option<Vec<u32>> {
        let token = |byte: u8| self.table.id_of(&format!("<0x{byte:02X}>"));
        self.settings.byte_fallback.then(|| text.bytes().map(token).collect()).flatten()
    }

    /// Lowest rank first, leftmost of equals.
    fn merge(&self, symbols: &mut [Symbol]) {
        let rank_at = |symbols: &[Symbol], at: u32| {
            let symbol = symbols[at as usize];
            let right = symbols.get(symbol.next as usize)?;
            self.table.rank_of(symbol.id, right.id).map(|rank| Reverse((rank, at)))
        };
        let mut queue = BinaryHeap::with_capacity(symbols.len());
        queue.extend((0..symbols.len() as u32).filter_map(|at| rank_at(symbols, at)));
        while let Some(Reverse((rank, at))) = queue.pop() {
            let Symbol { id, bytes, previous, next } = symbols[at as usize];
            if bytes == 0 || next == NONE {
                continue;
            }
            // Neighbours may have changed since this merge was found.
            let right = symbols[next as usize];
            let merge = self.table.merge(rank).filter(|merge| merge.left == id && merge.right == right.id);
            let Some(merge) = merge else { continue };
            symbols[at as usize] = Symbol { id: merge.made, bytes: bytes + right.bytes, previous, next: right.next };
            symbols[next as usize].bytes = 0;
            if let Some(after) = symbols.get_mut(right.next as usize) {
                after.previous = at;
            }
            queue.extend((previous != NONE).then(|| rank_at(symbols, previous)).flatten());
            queue.extend(rank_at(symbols, at));
        }
    }
}
