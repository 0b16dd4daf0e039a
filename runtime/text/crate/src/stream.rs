//! Tokens to text as they come: holds back what is not yet a complete character. The caller keeps the state.

use crate::failure::Outcome;
use crate::limits;
use crate::tokenizer::TextTokenizer;

/// A window of tokens: the first `shown` of them are already in the text given out, as `prefix`.
#[derive(Default)]
pub struct Stream {
    ids: Vec<u32>,
    prefix: String,
    shown: usize,
}

impl Stream {
    /// Text that `id` makes certain; often one token, sometimes none or several.
    pub fn push(&mut self, tokenizer: &TextTokenizer, id: u32, skip_special: bool) -> Outcome<String> {
        // Tokens without text stay out of the window: it would grow without end.
        if (skip_special && tokenizer.is_special(id)) || tokenizer.id_to_token(id).is_none() {
            return Ok(String::new());
        }
        self.ids.push(id);
        let text = tokenizer.decode(&self.ids, false)?;
        let held = self.ids.len() - self.shown;
        if text.len() <= self.prefix.len() || text.ends_with('\u{fffd}') {
            return if held >= limits::HELD_TOKENS { self.flush(tokenizer) } else { Ok(String::new()) };
        }
        let Some(new) = text.strip_prefix(self.prefix.as_str()) else {
            // The decoder changed its mind about text already given out (byte fallback does after invalid bytes).
            return self.restart(tokenizer);
        };
        let new = new.to_owned();
        self.ids.drain(..self.shown);
        self.prefix = tokenizer.decode(&self.ids, false)?;
        self.shown = self.ids.len();
        Ok(new)
    }

    /// What is held back, with U+FFFD for incomplete bytes; the stream can go on afterwards.
    pub fn flush(&mut self, tokenizer: &TextTokenizer) -> Outcome<String> {
        let text = tokenizer.decode(&self.ids, false)?;
        let tail = match text.strip_prefix(self.prefix.as_str()) {
            Some(tail) => tail.to_owned(),
            None => tokenizer.decode(&self.ids[self.shown..], false)?,
        };
        *self = Stream::default();
        Ok(tail)
    }

    fn restart(&mut self, tokenizer: &TextTokenizer) -> Outcome<String> {
        self.ids.drain(..self.shown);
        self.shown = 0;
        self.prefix.clear();
        let text = tokenizer.decode(&self.ids, false)?;
        if text.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        self.shown = self.ids.len();
        self.prefix = text.clone();
        Ok(text)
    }
}
