//! The one error type of the crate: a kind for the caller's control flow, a stable code and a message.

use std::borrow::Cow;

/// Mirrors LlmcTextKind in llmc_text.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// The file (tokenizer, template) is wrong.
    BadFile = 1,
    /// The request (text, messages) is wrong.
    BadRequest = 2,
    /// The template called raise_exception: the request does not fit the model's chat format.
    Raised = 3,
    /// A limit of limits.h would be passed.
    Limit = 4,
    /// A bug, here or in a library: a panic was caught.
    Internal = 5,
    /// The system gave no process or memory for untrusted work.
    Unavailable = 6,
}

#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub code: Cow<'static, str>,
    pub message: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(kind: Kind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Failure { kind, code: code.into(), message: message.into() }
    }
    pub fn file(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Kind::BadFile, code, message)
    }
    pub fn request(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, code, message)
    }
    pub fn limit(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, code, message)
    }

    /// As "kind code message", for from_bytes in another process.
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{} {} {}", self.kind as i32, self.code, self.message).into_bytes()
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut parts = text.splitn(3, ' ').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        let kind = match next().as_str() {
            "1" => Kind::BadFile,
            "2" => Kind::BadRequest,
            "3" => Kind::Raised,
            "4" => Kind::Limit,
            "6" => Kind::Unavailable,
            _ => Kind::Internal,
        };
        Self::new(kind, next(), next())
    }
}
