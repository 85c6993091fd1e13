//! What renderings may cost: turns of loops, sizes of values, size of the result.
//!
//! Owns the functions that [`super::guard`] puts before what can grow, and the filters that could make much of little.
//! Everything is decided by counting, so the same text fails at the same place on every machine.

use std::cell::{Cell, RefCell};
use std::io;

use serde_json::Value;
use tera::{Error, Kwargs, State, Tera, TeraResult};

use super::guard::{EACH, KEEP, OUT, THERE};

/// Bytes that one rendering may make.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// Bytes that a value may have which a template keeps or a filter makes.
const MOST_KEPT: usize = 64 << 10;

/// What one rendering may spend on loops and values.
const BUDGET: usize = 2_000_000;

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(0) };
    static HANDED_OUT: RefCell<Option<Value>> = const { RefCell::new(None) };
}

/// Makes the functions and filters known.
pub(super) fn register(tera: &mut Tera) {
    tera.register_function(EACH, |arguments: Kwargs, _: &State| each(&arguments));
    tera.register_function(KEEP, |arguments: Kwargs, _: &State| keep(&arguments));
    tera.register_function(OUT, |arguments: Kwargs, _: &State| out(&arguments));
    tera.register_function(THERE, |arguments: Kwargs, _: &State| defined(&arguments));
    tera.register_filter("replace", |text: &str, arguments: Kwargs, _: &State| {
        replace(text, &arguments)
    });
    tera.register_filter(
        "join",
        |items: &[tera::Value], arguments: Kwargs, _: &State| join(items, &arguments),
    );
    tera.register_filter("indent", |text: &str, arguments: Kwargs, _: &State| {
        indent(text, &arguments)
    });
}

/// Begins a rendering: nothing is spent, nothing is handed out.
pub(super) fn begin() {
    LEFT.set(BUDGET);
    HANDED_OUT.set(None);
}

/// Gives the value that the last rendering handed out.
pub(super) fn handed_out() -> Value {
    HANDED_OUT.take().unwrap_or_default()
}

/// Takes what is rendered, up to a limit.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    pub(super) bytes: Vec<u8>,
    /// Whether there was more.
    pub(super) full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MOST_BYTES {
            self.full = true;
            return Err(io::Error::other("too much"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn spend(cost: usize) -> TeraResult<()> {
    match LEFT.get().checked_sub(cost) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => Err(Error::message("this template loops too often")),
    }
}

/// Counts the bytes of a value, as far as it matters.
fn size(value: &tera::Value) -> usize {
    if let Some(text) = value.as_str() {
        text.len()
    } else if let Some(items) = value.as_array() {
        items.iter().map(|item| size(item) + 16).sum()
    } else if let Some(entries) = value.as_map() {
        entries.values().map(|item| size(item) + 32).sum()
    } else {
        8
    }
}

fn bounded(value: tera::Value) -> TeraResult<tera::Value> {
    let size = size(&value);
    spend(size)?;
    if size > MOST_KEPT {
        return Err(Error::message(format!(
            "a value has more than {} KiB",
            MOST_KEPT >> 10
        )));
    }
    Ok(value)
}

fn defined(arguments: &Kwargs) -> TeraResult<tera::Value> {
    let value = arguments.must_get::<tera::Value>("v")?;
    if value.is_undefined() {
        return Err(Error::message("this is not defined"));
    }
    Ok(value)
}

fn each(arguments: &Kwargs) -> TeraResult<tera::Value> {
    let value = defined(arguments)?;
    let turn = arguments.must_get::<usize>("c")?;
    spend(turn.saturating_mul(value.len().unwrap_or(1)))?;
    Ok(value)
}

fn keep(arguments: &Kwargs) -> TeraResult<tera::Value> {
    bounded(defined(arguments)?)
}

fn out(arguments: &Kwargs) -> TeraResult<tera::Value> {
    let value = defined(arguments)?;
    let json = serde_json::to_value(&value)
        .map_err(|_| Error::message("this is not a value that a field could have"))?;
    HANDED_OUT.set(Some(json));
    Ok(tera::Value::from(""))
}

/// Refuses a text before it is made.
fn fits(length: Option<usize>) -> TeraResult<()> {
    match length {
        Some(length) if length <= MOST_KEPT => spend(length),
        Some(_) | None => Err(Error::message(format!(
            "a value would have more than {} KiB",
            MOST_KEPT >> 10
        ))),
    }
}

fn replace(text: &str, arguments: &Kwargs) -> TeraResult<String> {
    let from = arguments.must_get::<&str>("from")?;
    let to = arguments.must_get::<&str>("to")?;
    let times = text.matches(from).count();
    fits(
        times
            .checked_mul(to.len())
            .and_then(|more| more.checked_add(text.len())),
    )?;
    Ok(text.replace(from, to))
}

fn join(items: &[tera::Value], arguments: &Kwargs) -> TeraResult<String> {
    let between = arguments.get::<&str>("sep")?.unwrap_or_default();
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    let length: usize = texts.iter().map(String::len).sum();
    let more = between.len().checked_mul(texts.len().saturating_sub(1));
    fits(more.and_then(|more| more.checked_add(length)))?;
    Ok(texts.join(between))
}

fn indent(text: &str, arguments: &Kwargs) -> TeraResult<String> {
    let width = arguments.get::<usize>("width")?.unwrap_or(4);
    let first = arguments.get::<bool>("first")?.unwrap_or(false);
    let blank = arguments.get::<bool>("blank")?.unwrap_or(false);
    let lines = text.split('\n').count();
    fits(
        width
            .checked_mul(lines)
            .and_then(|more| more.checked_add(text.len())),
    )?;
    let prefix = " ".repeat(width);
    let indented = text.split('\n').enumerate().map(|(at, line)| {
        if (at == 0 && !first) || (line.trim().is_empty() && !blank) {
            line.to_owned()
        } else {
            format!("{prefix}{line}")
        }
    });
    Ok(indented.collect::<Vec<_>>().join("\n"))
}
