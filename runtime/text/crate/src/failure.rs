//! The one error type of the crate: a kind for the caller's control flow, a stable code and a message.

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
}

#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub code: &'static str,
    pub message: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Failure { kind, code, message: message.into() }
    }
    pub fn file(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::BadFile, code, message)
    }
    pub fn request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, code, message)
    }
    pub fn limit(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, code, message)
    }
}
