//! The vocabulary and the merges of a byte-pair model as one flat table, made once (at `llmc build`) and then only mapped:
//! nothing is built at load. Each look-up checks its own bounds, so a table of any bytes gives wrong tokens at worst.
//!
//!   0   "LLMCTOK1"
//!   8   tokens, ids (largest + 1), merges, words, pairs, pool: six u32, little endian like all numbers
//!   32  starts  u32[ids + 1]    token `id` is pool[starts[id]..starts[id + 1]]; nothing: no token has this id
//!       merges  u32[merges][3]  left, right, made; in order of rank
//!       words   u32[words]      hash table of ids + 1 by their tokens' text; 0: free
//!       pairs   u32[pairs]      the same of ranks + 1 by (left, right)
//!       pool    u8[pool]        texts of the tokens, UTF-8, in order of ids

use crate::failure::{Failure, Outcome};
use crate::limits;
use ahash::AHashMap;
use std::borrow::Cow;

const MAGIC: &[u8; 8] = b"LLMCTOK1";
const HEADER: usize = 32;
/// A look-up ends after so many entries. With two places an entry a chain of 256 is a sign of chosen texts.
const PROBES: usize = 256;

/// Elements of one part of the table: numbers of four bytes, or bytes.
#[derive(Clone, Copy)]
struct Part {
    at: usize,
    count: usize,
}

pub struct TokenTable {
    bytes: Cow<'static, [u8]>,
    tokens: u32,
    ids: u32,
    starts: Part,
    merges: Part,
    words: Part,
    pairs: Part,
    pool: Part,
}

/// Of two tokens to one.
#[derive(Clone, Copy)]
pub struct Merge {
    pub left: u32,
    pub right: u32,
    pub made: u32,
}

fn spread(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (number ^ (number >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

fn hash_text(text: &str) -> u64 {
    let bytes = text.as_bytes();
    bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        spread(hash ^ u64::from_le_bytes(word))
    })
}

fn hash_pair(left: u32, right: u32) -> u64 {
    spread(u64::from(left) << 32 | u64::from(right))
}

/// The places of a hash table of `size`, in the order in which they are looked at. Requires: size > 0.
fn places(hash: u64, size: usize) -> impl Iterator<Item = usize> {
    let first = ((u128::from(hash) * size as u128) >> 64) as usize;
    (first..size).chain(0..first).take(PROBES)
}

fn damaged(what: String) -> Failure {
    Failure::file("TK_TABLE", format!("the token table is damaged: {what}; build the engine again"))
}

impl TokenTable {
    /// Time and memory do not depend on the table's size.
    pub fn open(bytes: Cow<'static, [u8]>) -> Outcome<Self> {
        if !bytes.starts_with(MAGIC) || bytes.len() < HEADER {
            return Err(damaged(format!("{} bytes without its header", bytes.len())));
        }
        let number = |i: usize| bytes[8 + 4 * i..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        let [tokens, ids, merges, words, pairs, pool] = [0, 1, 2, 3, 4, 5].map(number);
        let mut end = HEADER;
        let mut part = |count: usize, size: usize| {
            let at = end;
            end += count * size;
            Part { at, count }
        };
        // Each is below 2^32, so their sum stays far below 2^64.
        let starts = part(ids as usize + 1, 4);
        let merges = part(3 * merges as usize, 4);
        let (words, pairs, pool) = (part(words as usize, 4), part(pairs as usize, 4), part(pool as usize, 1));
        if end != bytes.len() {
            return Err(damaged(format!("{} bytes, its header says {end}", bytes.len())));
        }
        if ids > limits::VOCAB || tokens > ids {
            return Err(damaged(format!("{tokens} tokens with ids below {ids}, at most {}", limits::VOCAB)));
        }
        Ok(TokenTable { bytes, tokens, ids, starts, merges, words, pairs, pool })
    }

    /// How many ids have a token.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Largest id + 1.
    pub fn ids(&self) -> u32 {
        self.ids
    }

    fn number(&self, part: Part, index: usize) -> Option<u32> {
        let at = part.at + 4 * (index < part.count).then_some(index)?;
        self.bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn text(&self, id: u32) -> Option<&[u8]> {
        let (begin, end) = (self.number(self.starts, id as usize)?, self.number(self.starts, id as usize + 1)?);
        let pool = self.bytes.get(self.pool.at..)?;
        pool.get(begin as usize..end as usize).filter(|text| !text.is_empty())
    }

    /// Nothing for an id that no token has.
    pub fn token(&self, id: u32) -> Option<&str> {
        std::str::from_utf8(self.text(id)?).ok()
    }

    fn find(&self, part: Part, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        for place in places(hash, part.count) {
            let entry = self.number(part, place)?.checked_sub(1)?;
            if is(entry) {
                return Some(entry);
            }
        }
        None
    }

    pub fn id_of(&self, text: &str) -> Option<u32> {
        self.find(self.words, hash_text(text), |id| self.text(id) == Some(text.as_bytes()))
    }

    /// Its rank: of several merges the one of the lowest comes first.
    pub fn rank_of(&self, left: u32, right: u32) -> Option<u32> {
        let is = |rank: u32| self.merge(rank).is_some_and(|merge| merge.left == left && merge.right == right);
        self.find(self.pairs, hash_pair(left, right), is)
    }

    pub fn merge(&self, rank: u32) -> Option<Merge> {
        let number = |side| self.number(self.merges, 3 * rank as usize + side);
        Some(Merge { left: number(0)?, right: number(1)?, made: number(2)? })
    }
}

/// A hash table under construction: entries + 1, or 0.
struct Slots(Vec<u32>);

impl Slots {
    fn for_entries(count: usize) -> Self {
        Slots(vec![0; 2 * count])
    }

    /// Takes the place of the entry that is the `same`. None: the chain is too long.
    fn place(&mut self, hash: u64, entry: u32, same: impl Fn(u32) -> bool) -> Option<()> {
        let mut free = places(hash, self.0.len());
        let place = free.find(|place| self.0[*place] == 0 || same(self.0[*place] - 1))?;
        self.0[place] = entry + 1;
        Some(())
    }
}

/// The same bytes for the same tokens and merges. `prefix`: bytes of a token that it loses as the right one of a merge.
/// None: a table cannot hold it (an empty token, ids with wide gaps), or a merge makes no token.
pub fn write(vocab: &AHashMap<String, u32>, ids: u32, merges: &[(String, String)], prefix: usize) -> Option<Vec<u8>> {
    let mut tokens: Vec<(u32, &str)> = vocab.iter().map(|(text, id)| (*id, text.as_str())).collect();
    tokens.sort_unstable();
    let gaps = ids as usize > 4 * tokens.len() + 4096;
    if gaps || tokens.iter().any(|(_, text)| text.is_empty()) {
        return None;
    }
    let (mut starts, mut pool) = (Vec::with_capacity(ids as usize + 1), Vec::new());
    let mut words = Slots::for_entries(tokens.len());
    for (id, text) in &tokens {
        starts.resize(*id as usize + 1, pool.len() as u32);
        pool.extend_from_slice(text.as_bytes());
        words.place(hash_text(text), *id, |_| false)?;
    }
    starts.push(pool.len() as u32);
    let mut ranked: Vec<[u32; 3]> = Vec::with_capacity(merges.len());
    let mut pairs = Slots::for_entries(merges.len());
    let mut made = String::new();
    for (rank, (left, right)) in merges.iter().enumerate() {
        made.clear();
        made.push_str(left);
        made.push_str(right.get(prefix..)?);
        let pair = [*vocab.get(left)?, *vocab.get(right)?];
        // Of a pair that is written twice the last one counts.
        pairs.place(hash_pair(pair[0], pair[1]), rank as u32, |other| ranked[other as usize][..2] == pair)?;
        ranked.push([pair[0], pair[1], *vocab.get(&made)?]);
    }
    let sizes = [tokens.len(), ids as usize, ranked.len(), words.0.len(), pairs.0.len(), pool.len()].map(|n| n as u32);
    let numbers = sizes.iter().chain(&starts).chain(ranked.iter().flatten()).chain(&words.0).chain(&pairs.0);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
    bytes.extend(pool);
    (bytes.len() <= limits::TOKENIZER_BYTES).then_some(bytes)
}
