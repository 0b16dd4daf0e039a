//! The model of a tokenizer: byte pairs over a table, or whatever else the tokenizers crate knows.

use crate::byte_pairs::BytePairs;
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::{
    DecoderWrapper, Model, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Result, Token, TokenizerImpl,
};

pub enum TextModel {
    Table(BytePairs),
    Library(ModelWrapper),
}

/// The crate's tokenizer around our model.
pub type Tokenizer =
    TokenizerImpl<TextModel, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// How a byte-pair model spells what is no token.
pub struct Spelling {
    /// Tokens are spelled by their place in a word.
    pub affixes: bool,
    pub byte_fallback: bool,
    pub unknown: bool,
}

impl TextModel {
    /// Of a byte-pair model.
    pub fn spelling(&self) -> Option<Spelling> {
        let spelling = |prefix: &Option<String>, suffix: &Option<String>, byte_fallback, unk: &Option<String>| Spelling {
            affixes: prefix.is_some() || suffix.is_some(),
            byte_fallback,
            unknown: unk.is_some(),
        };
        match self {
            TextModel::Table(model) => {
                let s = &model.settings;
                Some(spelling(&s.continuing_subword_prefix, &s.end_of_word_suffix, s.byte_fallback, &s.unk_token))
            }
            TextModel::Library(ModelWrapper::BPE(b)) => {
                Some(spelling(&b.continuing_subword_prefix, &b.end_of_word_suffix, b.byte_fallback, &b.unk_token))
            }
            TextModel::Library(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for TextModel {
    fn deserialize<D: Deserializer<'de>>(source: D) -> std::result::Result<Self, D::Error> {
        ModelWrapper::deserialize(source).map(TextModel::Library)
    }
}

impl Model for TextModel {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, text: &str) -> Result<Vec<Token>> {
        match self {
            TextModel::Table(model) => model.tokenize(text),
            TextModel::Library(model) => model.tokenize(text),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            TextModel::Table(model) => model.table.id_of(token),
            TextModel::Library(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            TextModel::Table(model) => model.table.token(id).map(str::to_owned),
            TextModel::Library(model) => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            TextModel::Table(model) => {
                let table = &model.table;
                (0..table.ids()).filter_map(|id| Some((table.token(id)?.to_owned(), id))).collect()
            }
            TextModel::Library(model) => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            TextModel::Table(model) => model.table.tokens() as usize,
            TextModel::Library(model) => model.get_vocab_size(),
        }
    }

    fn save(&self, _: &Path, _: Option<&str>) -> Result<Vec<PathBuf>> {
        Err("tokenizers are not saved".into())
    }

    fn get_trainer(&self) -> TrainerWrapper {
        match self {
            TextModel::Table(_) => TrainerWrapper::BpeTrainer(Default::default()),
            TextModel::Library(model) => model.get_trainer(),
        }
    }
}
