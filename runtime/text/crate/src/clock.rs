//! strftime_now of chat templates: the C library's strftime on local time, at a moment the caller chooses.

use minijinja::{Error, ErrorKind, State};
use std::ffi::CString;

/// Name under which a rendering's moment (seconds since 1970, UTC) is kept in the template's variables.
pub const NOW: &str = "__now";

pub fn strftime_now(state: &State, format: &str) -> Result<String, Error> {
    let now = state.lookup(NOW).and_then(|v| v.as_i64()).unwrap_or(0);
    strftime(now, format).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "strftime_now: unusable format"))
}

fn strftime(now: i64, format: &str) -> Option<String> {
    if format.len() > 256 {
        return None;
    }
    if format.is_empty() {
        return Some(String::new());
    }
    let format = CString::new(format).ok()?;
    let time = now as libc::time_t;
    let mut buffer = [0u8; 4096];
    // SAFETY: `tm` is written by localtime_r before use; strftime writes at most the buffer's size and returns the length.
    let size = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&time, &mut tm).is_null() {
            return None;
        }
        libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), &tm)
    };
    String::from_utf8(buffer[..size].to_vec()).ok()
}
