//! The C ABI of the text library; llmc_text.h is its contract. Every entry catches panics.
//! No global mutable state but the allocator's count, which only the children of cell.rs use.

mod added;
mod bpe;
mod byte_pairs;
mod cell;
mod chat;
mod clock;
mod cover;
mod failure;
mod guard;
mod limits;
mod model;
mod python;
mod scan;
mod stream;
mod table;
mod template;
mod tojson;
mod tokenizer;

use chat::Chat;
use failure::{Failure, Kind, Outcome};
use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use stream::Stream;
use tokenizer::TextTokenizer;

#[global_allocator]
static ALLOCATOR: cell::CountingAllocator = cell::CountingAllocator;

#[unsafe(no_mangle)]
pub extern "C" fn llmc_text_on_no_memory(handler: extern "C" fn()) {
    cell::on_no_memory(handler);
}

/// A borrowed run of bytes (LlmcTextView).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct View {
    data: *const u8,
    size: usize,
}

/// An owned run of elements (LlmcTextBytes, LlmcTextIds, LlmcTextRanges); freed by the matching function.
#[repr(C)]
pub struct Owned<T> {
    data: *mut T,
    size: usize,
    capacity: usize,
}

/// Bytes [begin, end) of a text (LlmcTextRange).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
    begin: usize,
    end: usize,
}

impl<T> Owned<T> {
    fn give(items: Vec<T>) -> Self {
        let mut items = std::mem::ManuallyDrop::new(items);
        Owned { data: items.as_mut_ptr(), size: items.len(), capacity: items.capacity() }
    }

    /// SAFETY: `self` must come from `give` and not have been taken before.
    unsafe fn take(self) {
        if !self.data.is_null() {
            drop(unsafe { Vec::from_raw_parts(self.data, self.size, self.capacity) });
        }
    }
}

impl View {
    /// SAFETY: `data` must point to `size` readable bytes that outlive the call.
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(self.data, self.size) } }
    }

    /// SAFETY: as for `bytes`.
    unsafe fn text<'a>(self) -> Outcome<&'a str> {
        std::str::from_utf8(unsafe { self.bytes() })
            .map_err(|e| Failure::request("TK_UTF8", format!("text is not UTF-8: {e}")))
    }
}

/// Runs `body`; an error or a panic becomes a kind and "CODE message" in `error`.
fn entry(error: *mut Owned<u8>, body: impl FnOnce() -> Outcome<()>) -> i32 {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return 0,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
            Failure::new(Kind::Internal, "TX_PANIC", text)
        }
    };
    let text = format!("{} {}", failure.code, failure.message);
    // SAFETY: the caller gives null or a place for one LlmcTextBytes.
    if !error.is_null() {
        unsafe { error.write(Owned::give(text.into_bytes())) };
    }
    failure.kind as i32
}

// SAFETY of all entries: pointers are as llmc_text.h demands: handles live, views readable, out-parameters writable.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_text_bytes_free(bytes: Owned<u8>) {
    unsafe { bytes.take() }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_text_ids_free(ids: Owned<u32>) {
    unsafe { ids.take() }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_text_ranges_free(ranges: Owned<Span>) {
    unsafe { ranges.take() }
}

/// A library that panics on a hostile file has met a bad file, not a bug that matters to the caller.
fn without_panic<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(Failure::file("TK_UNSUPPORTED", "the tokenizer library gave up on it")))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_create(
    json: View,
    table: View,
    out: *mut *mut TextTokenizer,
    error: *mut Owned<u8>,
) -> i32 {
    entry(error, || {
        // The caller keeps the table until the tokenizer is freed.
        let table: &'static [u8] = unsafe { table.bytes() };
        let table = (!table.is_empty()).then_some(Cow::Borrowed(table));
        let made = without_panic(|| TextTokenizer::create(unsafe { json.bytes() }, table))?;
        unsafe { out.write(Box::into_raw(Box::new(made))) };
        Ok(())
    })
}

/// Two empty results: no table can hold it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_compact(
    json: View,
    rest: *mut Owned<u8>,
    table: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    entry(error, || {
        let made = without_panic(|| tokenizer::compact(unsafe { json.bytes() }))?;
        let (json, bytes) = made.map_or_else(Default::default, |compact| (compact.json, compact.table));
        unsafe {
            rest.write(Owned::give(json));
            table.write(Owned::give(bytes));
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_free(tokenizer: *mut TextTokenizer) {
    if !tokenizer.is_null() {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(tokenizer) })));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_size(tokenizer: *const TextTokenizer) -> u32 {
    unsafe { (*tokenizer).size() }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_is_special(tokenizer: *const TextTokenizer, id: u32) -> bool {
    unsafe { (*tokenizer).is_special(id) }
}

/// 0 for a text that is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_least_tokens(tokenizer: *const TextTokenizer, text: View) -> usize {
    let work = || unsafe { std::str::from_utf8(text.bytes()).map_or(0, |text| (*tokenizer).least_tokens(text)) };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(0)
}

/// `allowed`: where special tokens may be made; sorted, disjoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_encode(
    tokenizer: *const TextTokenizer,
    text: View,
    add_special: bool,
    allowed: *const Span,
    allowed_size: usize,
    out: *mut Owned<u32>,
    error: *mut Owned<u8>,
) -> i32 {
    entry(error, || {
        let spans = if allowed_size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(allowed, allowed_size) } };
        let ranges: Vec<Range<usize>> = spans.iter().map(|s| s.begin..s.end).collect();
        let ids = unsafe { (*tokenizer).encode(text.text()?, add_special, &ranges) }?;
        unsafe { out.write(Owned::give(ids)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_decode(
    tokenizer: *const TextTokenizer,
    ids: *const u32,
    size: usize,
    skip_special: bool,
    out: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    entry(error, || {
        let ids = if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(ids, size) } };
        let text = unsafe { (*tokenizer).decode(ids, skip_special) }?;
        unsafe { out.write(Owned::give(text.into_bytes())) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_token_to_id(tokenizer: *const TextTokenizer, token: View, id: *mut u32) -> bool {
    let found = catch_unwind(AssertUnwindSafe(|| {
        let token = std::str::from_utf8(unsafe { token.bytes() }).ok()?;
        unsafe { (*tokenizer).inner.token_to_id(token) }
    }));
    let found = found.ok().flatten();
    if let Some(found) = found {
        unsafe { id.write(found) };
    }
    found.is_some()
}

/// `as_bytes`: the bytes the token adds to a text; otherwise its stored text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_tokenizer_token(
    tokenizer: *const TextTokenizer,
    id: u32,
    as_bytes: bool,
    out: *mut Owned<u8>,
) -> bool {
    let found = catch_unwind(AssertUnwindSafe(|| {
        let tokenizer = unsafe { &*tokenizer };
        if as_bytes { tokenizer.bytes(id) } else { tokenizer.id_to_token(id).map(String::into_bytes) }
    }));
    let found = found.ok().flatten();
    let known = found.is_some();
    if let Some(bytes) = found {
        unsafe { out.write(Owned::give(bytes)) };
    }
    known
}

#[unsafe(no_mangle)]
pub extern "C" fn llmc_stream_create() -> *mut Stream {
    Box::into_raw(Box::default())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_stream_free(stream: *mut Stream) {
    if !stream.is_null() {
        drop(unsafe { Box::from_raw(stream) });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_stream_push(
    stream: *mut Stream,
    tokenizer: *const TextTokenizer,
    id: u32,
    skip_special: bool,
    out: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    entry(error, || {
        let text = unsafe { (*stream).push(&*tokenizer, id, skip_special) }?;
        unsafe { out.write(Owned::give(text.into_bytes())) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_stream_flush(
    stream: *mut Stream,
    tokenizer: *const TextTokenizer,
    out: *mut Owned<u8>,
    error: *mut Owned<u8>,
) -> i32 {
    entry(error, || {
        let text = unsafe { (*stream).flush(&*tokenizer) }?;
        unsafe { out.write(Owned::give(text.into_bytes())) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_template_create(
    source: View,
    bos: View,
    eos: View,
    out: *mut *mut Chat,
    error: *mut Owned<u8>,
) -> i32 {
    entry(error, || {
        let source = unsafe { source.text() }?;
        let template = template::ChatTemplate::create(source)?;
        let (bos, eos) = unsafe { (bos.text()?.to_owned(), eos.text()?.to_owned()) };
        let chat = Chat { template, bos, eos, source: source.to_owned() };
        unsafe { out.write(Box::into_raw(Box::new(chat))) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_template_free(template: *mut Chat) {
    if !template.is_null() {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(template) })));
    }
}

/// `guard`: null, or the tokenizer whose control tokens user text must not make; `user` then gets the ranges to keep plain.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llmc_template_render(
    template: *const Chat,
    messages: View,
    extra: View,
    add_generation_prompt: bool,
    now: i64,
    guard: *const TextTokenizer,
    text: *mut Owned<u8>,
    user: *mut Owned<Span>,
    error: *mut Owned<u8>,
) -> i32 {
    entry(error, || {
        let (messages, extra) = unsafe { (messages.text()?, extra.text()?) };
        let chat = unsafe { &*template };
        let rendered = chat.render(messages, extra, add_generation_prompt, now, unsafe { guard.as_ref() })?;
        let spans = rendered.user.iter().map(|r| Span { begin: r.start, end: r.end }).collect();
        unsafe {
            text.write(Owned::give(rendered.text.into_bytes()));
            user.write(Owned::give(spans));
        }
        Ok(())
    })
}
