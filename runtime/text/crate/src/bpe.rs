//! The table of a byte-pair model straight from its part of a tokenizer.json: the vocabulary and the merges, nearly all of
//! the file, are read side by side and typed from the first byte. The tokenizers crate builds a tree of the merges first.

use crate::byte_pairs::Settings;
use crate::{limits, table};
use ahash::AHashMap;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt::Formatter;

/// The "model" of a tokenizer.json: its two large parts as text, the others as trees. All empty when it is no object.
#[derive(Default)]
pub struct ModelText<'de> {
    pub others: Map<String, Value>,
    vocab: Option<&'de RawValue>,
    merges: Option<&'de RawValue>,
}

impl<'de> Deserialize<'de> for ModelText<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = ModelText<'de>;
            fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
                f.write_str("a model")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut model = ModelText::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "vocab" => model.vocab = Some(map.next_value()?),
                        "merges" => model.merges = Some(map.next_value()?),
                        _ => drop(model.others.insert(key, map.next_value()?)),
                    }
                }
                Ok(model)
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(ModelText::default())
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(ModelText::default())
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(ModelText::default())
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(ModelText::default())
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(ModelText::default())
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(ModelText::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(ModelText::default())
            }
        }
        source.deserialize_any(Visit)
    }
}

impl ModelText<'_> {
    /// Vocabulary and merges. None: it is no byte-pair model, or one with a fault that the crate words when it reads the
    /// file by itself, or one that a table cannot hold.
    pub fn table(&self) -> Option<Vec<u8>> {
        let settings = self.settings()?;
        let (vocab, merges) = (self.vocab?.get(), self.merges?.get());
        let (vocab, merges) = std::thread::scope(|scope| {
            let read = || serde_json::from_str::<Vocab>(vocab);
            // Without another thread one after the other.
            let beside = std::thread::Builder::new().spawn_scoped(scope, read);
            let merges = serde_json::from_str::<Merges>(merges);
            (beside.map_or_else(|_| read().ok(), |thread| thread.join().ok()?.ok()), merges)
        });
        let (vocab, merges) = (vocab?, merges.ok()?);
        let prefix = settings.continuing_subword_prefix.map_or(0, |prefix| prefix.len());
        table::write(&vocab.0, vocab.size()?, &merges.0, prefix)
    }

    /// None: no byte-pair model, a setting of another type, or one that this crate does not know and the library might.
    pub fn settings(&self) -> Option<Settings> {
        let mut settings = Settings::default();
        for (name, value) in &self.others {
            match (name.as_str(), value) {
                ("type", Value::String(kind)) if kind == "BPE" => {}
                ("type", _) => return None,
                (_, Value::Null) => {}
                ("unk_token", Value::String(text)) => settings.unk_token = Some(text.clone()),
                ("continuing_subword_prefix", Value::String(text)) => {
                    settings.continuing_subword_prefix = Some(text.clone());
                }
                ("end_of_word_suffix", Value::String(text)) => settings.end_of_word_suffix = Some(text.clone()),
                ("fuse_unk", Value::Bool(yes)) => settings.fuse_unk = *yes,
                ("byte_fallback", Value::Bool(yes)) => settings.byte_fallback = *yes,
                ("ignore_merges", Value::Bool(yes)) => settings.ignore_merges = *yes,
                _ => return None,
            }
        }
        Some(settings)
    }
}

/// Token -> id.
struct Vocab(AHashMap<String, u32>);

impl Vocab {
    /// Largest id + 1. None: two tokens share an id, one is too large, or there is none.
    fn size(&self) -> Option<u32> {
        let size = self.0.values().max()?.checked_add(1).filter(|size| *size <= limits::VOCAB)?;
        let mut met = vec![false; size as usize];
        self.0.values().all(|id| !std::mem::replace(&mut met[*id as usize], true)).then_some(size)
    }
}

impl<'de> Deserialize<'de> for Vocab {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Vocab;
            fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
                f.write_str("tokens with their ids")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocab, A::Error> {
                let mut vocab = AHashMap::with_capacity(1 << 16);
                while let Some((token, id)) = map.next_entry()? {
                    vocab.insert(token, id);
                }
                Ok(Vocab(vocab))
            }
        }
        source.deserialize_map(Visit)
    }
}

/// In order of rank.
struct Merges(Vec<(String, String)>);

/// Written as ["a", "b"] or as "a b".
enum Merge {
    Pair(String, String),
    Line(String, String),
}

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Merge;
            fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
                f.write_str("a merge")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge, A::Error> {
                match (list.next_element()?, list.next_element()?, list.next_element::<IgnoredAny>()?) {
                    (Some(a), Some(b), None) => Ok(Merge::Pair(a, b)),
                    _ => Err(A::Error::custom("a merge that is no pair")),
                }
            }
            fn visit_str<E: Error>(self, line: &str) -> Result<Merge, E> {
                match line.split_once(' ') {
                    Some((a, b)) if !b.contains(' ') && !line.starts_with("#version") => {
                        Ok(Merge::Line(a.to_owned(), b.to_owned()))
                    }
                    _ => Err(E::custom("a merge that is no pair")),
                }
            }
        }
        source.deserialize_any(Visit)
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Merges;
            fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
                f.write_str("merges, all written in one way")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merges, A::Error> {
                let (mut merges, mut lines) = (Vec::with_capacity(1 << 16), 0);
                while let Some(merge) = list.next_element()? {
                    merges.push(match merge {
                        Merge::Pair(a, b) => (a, b),
                        Merge::Line(a, b) => {
                            lines += 1;
                            (a, b)
                        }
                    });
                }
                if lines != 0 && lines != merges.len() {
                    return Err(A::Error::custom("merges written in two ways"));
                }
                Ok(Merges(merges))
            }
        }
        source.deserialize_seq(Visit)
    }
}
