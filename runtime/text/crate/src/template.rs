//! A chat template made ready, in the environment that Hugging Face's apply_chat_template gives it.

use crate::failure::{Failure, Kind, Outcome};
use crate::{cell, clock, limits, tojson};
use minijinja::value::{Rest, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, machinery};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

const NAME: &str = "chat_template";

/// Every use of it runs in a child (cell.rs), which compiles the source anew: compiling folds constants, and those too may
/// be hostile.
pub struct ChatTemplate {
    source: String,
}

/// What raise_exception leaves in the error, to tell it from errors of the template itself.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn raise_exception(args: Rest<Value>) -> Result<Value, Error> {
    let mut text = args.first().map(|v| v.to_string()).unwrap_or_default();
    if text.len() > limits::RAISED_BYTES {
        let cut = (0..=limits::RAISED_BYTES).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(cut);
        text.push_str("...");
    }
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(text)))
}

/// Collects output up to the limit.
struct Page(Vec<u8>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > limits::TEMPLATE_OUTPUT_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ChatTemplate {
    pub fn create(source: &str) -> Outcome<Self> {
        if source.len() > limits::TEMPLATE_BYTES {
            return Err(Failure::file("TM_TOO_LARGE", "the chat template is larger than 1 MiB"));
        }
        check_nesting(source)?;
        let template = ChatTemplate { source: neutral_generation(source) };
        let (end, _) = cell::run(allowance(limits::TEMPLATE_CPU), |_| {
            cell::reply(template.compile().map(leak).map(|_| Vec::new()))
        })?;
        match end {
            cell::End::Excess(excess) => {
                let (code, text) = describe(excess);
                Err(Failure::file(code, format!("reading the chat template {text}")))
            }
            end => end.outcome(gave_up).map(|_| template),
        }
    }

    pub fn render(&self, context: Value) -> Outcome<String> {
        let work = || leak(self.compile()?).render(context.clone(), limits::TEMPLATE_FUEL).map_err(render_error);
        match cell::run(allowance(limits::TEMPLATE_CPU), |_| cell::reply(work()))?.0 {
            cell::End::Excess(excess) => {
                let (code, text) = describe(excess);
                let line = self.locate(&context).map(|line| format!(" (line {line})")).unwrap_or_default();
                Err(Failure::file(code, format!("the chat template {text}{line}")))
            }
            end => String::from_utf8(end.outcome(gave_up)?)
                .map_err(|e| Failure::new(Kind::Internal, "TM_UTF8", e.to_string())),
        }
    }

    /// The line whose instruction makes a rendering pass its allowance, found by the fuel that lets it get just there:
    /// running out of fuel is an error with a line. A slow template makes it the line that a short look reaches.
    fn locate(&self, context: &Value) -> Option<u64> {
        let end = Instant::now() + limits::TEMPLATE_LOCATE;
        let mut slice = limits::TEMPLATE_LOCATE / 16;
        let (mut enough, mut line, mut slow) = (0, None, true);
        while slow && Instant::now() < end {
            let mut over = limits::TEMPLATE_FUEL;
            slow = false;
            while enough + 1 < over && Instant::now() < end {
                let time = slice.min(end.saturating_duration_since(Instant::now()));
                let probe = |notes: &cell::Notes| self.probe(context, (enough, over), notes);
                let (ended, [fuel, at]) = cell::run(allowance(time), probe).ok()?;
                slow |= matches!(ended, cell::End::Excess(cell::Excess::Time));
                if fuel > enough {
                    (enough, line) = (fuel, Some(at));
                }
                over = next_fuel(enough, over);
            }
            slice *= 2;
        }
        line.filter(|line| *line > 0)
    }

    /// In a child: renders with ever more fuel while it runs out; notes the fuel and its line.
    fn probe(&self, context: &Value, (mut enough, over): (u64, u64), notes: &cell::Notes) -> Vec<u8> {
        let Ok(compiled) = self.compile().map(leak) else { return Vec::new() };
        while enough + 1 < over {
            let fuel = next_fuel(enough, over);
            match compiled.render(context.clone(), fuel) {
                Err(e) if e.kind() == ErrorKind::OutOfFuel => notes.set([fuel, e.line().unwrap_or(0) as u64]),
                _ => break,
            }
            enough = fuel;
        }
        Vec::new()
    }

    /// Only in a child.
    fn compile(&self) -> Outcome<Compiled> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_keep_trailing_newline(false);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_recursion_limit(limits::TEMPLATE_DEPTH);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", tojson::tojson);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", clock::strftime_now);
        environment.remove_global("debug");
        environment.add_template_owned(NAME, self.source.clone()).map_err(build_error)?;
        let template = environment.get_template(NAME).map_err(build_error)?;
        let compiled = machinery::get_compiled_template(&template);
        std::iter::once(&compiled.instructions).chain(compiled.blocks.values()).try_for_each(check_instructions)?;
        drop(template);
        Ok(Compiled { environment })
    }
}

/// What to try when `enough` runs out and `over` does not: twice as much until something passes the allowance, then halves.
fn next_fuel(enough: u64, over: u64) -> u64 {
    if over == limits::TEMPLATE_FUEL { (enough * 2).clamp(1, over - 1) } else { enough + (over - enough) / 2 }
}

/// A template in the child that reads or renders it.
struct Compiled {
    environment: Environment<'static>,
}

impl Compiled {
    fn render(&mut self, context: Value, fuel: u64) -> Result<Vec<u8>, Error> {
        self.environment.set_fuel(Some(fuel));
        let mut page = Page(Vec::new());
        self.environment.get_template(NAME)?.render_captured_to(context, &mut page).map(std::mem::forget)?;
        Ok(page.0)
    }
}

/// A child's memory ends with it: taking values apart would cost time, and stack where they nest deep.
fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

fn allowance(cpu: Duration) -> cell::Allowance {
    // Beside the text there is room for the longest error.
    let answer = limits::TEMPLATE_OUTPUT_BYTES + (64 << 10);
    cell::Allowance { memory: limits::TEMPLATE_MEMORY_BYTES, cpu, answer, c_code: false }
}

fn gave_up() -> Failure {
    Failure::file("TM_UNSUPPORTED", "the template library gave up on the chat template")
}

/// Code and words for a child that had to end.
fn describe(excess: cell::Excess) -> (&'static str, &'static str) {
    match excess {
        cell::Excess::Memory => ("TM_MEMORY", "takes more than 64 MiB of memory"),
        cell::Excess::Time => ("TM_TIME", "takes longer than 0.8 seconds"),
        cell::Excess::Stack => ("TM_DEPTH", "nests values too deep"),
        cell::Excess::Killed => ("TM_UNSUPPORTED", "makes its process end"),
    }
}

/// Hugging Face marks assistant text with {% generation %} blocks for training; here they mean nothing.
fn neutral_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let Some(size) = rest[at + 2..].find("%}").map(|i| i + 4) else { break };
        let tag = &rest[at..at + size];
        let word = tag[2..size - 2].trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        out.push_str(&rest[..at]);
        match word {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = &rest[at + size..];
    }
    out.push_str(rest);
    out
}

/// The template parser recurses: refuses source whose brackets or blocks nest so deep that its stack could end.
fn check_nesting(source: &str) -> Outcome<()> {
    let (mut brackets, mut blocks) = (0usize, 0usize);
    for (at, c) in source.char_indices() {
        match c {
            '(' | '[' | '{' => brackets += 1,
            ')' | ']' | '}' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        if source[at..].starts_with("{%") {
            let word = source[at + 2..].trim_start_matches(['-', '+']).trim_start();
            let word: &str = word.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
            match word {
                "if" | "for" | "macro" | "call" | "filter" | "with" | "generation" | "block" => blocks += 1,
                "include" | "import" | "from" | "extends" => {
                    return Err(Failure::file("TM_UNSUPPORTED", format!("the chat template uses {{% {word} %}}")));
                }
                _ if word.starts_with("end") => blocks = blocks.saturating_sub(1),
                _ => {}
            }
        }
        if brackets > limits::TEMPLATE_NESTING || blocks > limits::TEMPLATE_NESTING {
            return Err(Failure::file("TM_DEPTH", "the chat template is nested deeper than 100"));
        }
    }
    Ok(())
}

/// Filters and tests of chat templates; Jinja2 too refuses unknown ones before it runs anything.
const FILTERS: [&str; 41] = [
    "abs", "attr", "batch", "bool", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "format",
    "groupby", "indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "replace", "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "sum", "title", "tojson", "trim",
];
const MORE_FILTERS: [&str; 6] = ["chain", "lines", "split", "unique", "upper", "zip"];
const TESTS: [&str; 39] = [
    "!=", "<", "<=", "==", ">", ">=", "boolean", "defined", "divisibleby", "endingwith", "eq", "equalto", "escaped", "even", "false",
    "filter", "float", "ge", "greaterthan", "gt", "in", "int", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne",
    "none", "number", "odd", "safe", "sameas", "sequence", "startingwith", "string", "test",
];
const MORE_TESTS: [&str; 3] = ["true", "undefined", "upper"];

fn check_instructions(code: &machinery::Instructions) -> Outcome<()> {
    use machinery::Instruction as I;
    let refuse = |text: String, at: u32| {
        let line = code.get_line(at).unwrap_or(0);
        Err(Failure::file("TM_UNSUPPORTED", format!("the chat template uses {text:.80} (line {line})")))
    };
    for at in 0..code.len() as u32 {
        match code.get(at) {
            Some(I::ApplyFilter(name, ..)) if !FILTERS.contains(name) && !MORE_FILTERS.contains(name) => {
                return refuse(format!("the unknown filter {name:?}"), at);
            }
            Some(I::PerformTest(name, ..)) if !TESTS.contains(name) && !MORE_TESTS.contains(name) => {
                return refuse(format!("the unknown test {name:?}"), at);
            }
            Some(I::GetAttr(name) | I::CallMethod(name, ..)) if name.starts_with("__") => {
                return refuse(format!("the attribute {name:?}"), at);
            }
            _ => {}
        }
    }
    Ok(())
}

fn place(error: &Error) -> String {
    error.line().map(|line| format!(" (line {line})")).unwrap_or_default()
}

fn build_error(error: Error) -> Failure {
    let text = error.detail().map(str::to_owned).unwrap_or_else(|| error.kind().to_string());
    Failure::file("TM_SYNTAX", format!("{text}{}", place(&error)))
}

/// Whatever a template does wrong while it runs is the fault of the file it came from, but for its own refusal of the messages.
fn render_error(error: Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(Raised(text)) = current.downcast_ref::<Raised>() {
            return Failure::new(Kind::Raised, "TM_RAISED", text.clone());
        }
        cause = current.source();
    }
    let text = error.detail().map(str::to_owned).unwrap_or_else(|| error.kind().to_string());
    let text = format!("{text:.500}{}", place(&error));
    match error.kind() {
        ErrorKind::OutOfFuel => Failure::file("TM_FUEL", "the chat template runs too long"),
        ErrorKind::WriteFailure => Failure::file("TM_OUTPUT", "the chat template's text is larger than 4 MiB"),
        ErrorKind::InvalidOperation if text.contains("recursion limit") => Failure::file("TM_DEPTH", text),
        ErrorKind::InvalidOperation if text.contains("too many elements") || text.contains("too large") => {
            Failure::file("TM_FUEL", text)
        }
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownMethod | ErrorKind::UnknownFunction => {
            Failure::file("TM_UNSUPPORTED", text)
        }
        _ => Failure::file("TM_ERROR", text),
    }
}
