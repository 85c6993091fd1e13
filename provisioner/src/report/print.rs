//! Printing that ends quietly when nobody reads any more, as in `prov diff | head`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use super::screen;

/// Becomes true once nobody reads standard output any more.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Tells whether there is nobody left to print for.
pub fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Prints to standard output. Once nobody reads, nothing more is printed; the work goes on, and so does its exit code.
pub fn out(text: Arguments<'_>) {
    write(&shown(&text.to_string()));
}

/// Prints what programs read to standard output, as it is: JSON has escapes of its own.
pub fn raw(text: Arguments<'_>) {
    write(&text.to_string());
}

fn write(text: &str) {
    if closed() {
        return;
    }
    let written = screen::printing(|| anstream::stdout().write_all(text.as_bytes()));
    if let Err(error) = written
        && error.kind() == ErrorKind::BrokenPipe
    {
        CLOSED.store(true, Ordering::Relaxed);
    }
    // Any other failure, such as a full disk behind a redirection, has no better place to be told.
}

/// Prints to standard error; where that is closed there is nobody to tell.
pub fn err(text: Arguments<'_>) {
    let text = shown(&text.to_string());
    let _ = screen::printing(|| anstream::stderr().write_all(text.as_bytes()));
}

/// Writes out what cannot be seen or would draw on the terminal, but for ends of lines and prov's own colours. Whoever renders
/// text of others does so, too; this is for what was forgotten.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, part) in text.split('\u{1b}').enumerate() {
        let mut rest = part;
        if index > 0 {
            let colour = part.strip_prefix('[').and_then(|after| {
                let end = after.find(|c: char| !c.is_ascii_digit() && c != ';')?;
                after[end..].starts_with('m').then_some(end + 2)
            });
            let Some(end) = colour else {
                shown.push_str("\\u{1b}");
                shown.push_str(&tasks::visible_lines(part));
                continue;
            };
            shown.push('\u{1b}');
            shown.push_str(&part[..end]);
            rest = &part[end..];
        }
        shown.push_str(&tasks::visible_lines(rest));
    }
    shown
}

/// Prints a line to standard output.
macro_rules! outln {
    ($($part:tt)*) => {
        $crate::report::print::out(format_args!("{}\n", format_args!($($part)*)))
    };
}

/// Prints a line that programs read to standard output.
macro_rules! jsonln {
    ($($part:tt)*) => {
        $crate::report::print::raw(format_args!("{}\n", format_args!($($part)*)))
    };
}

/// Prints a line to standard error.
macro_rules! errln {
    ($($part:tt)*) => {
        $crate::report::print::err(format_args!("{}\n", format_args!($($part)*)))
    };
}

pub(crate) use {errln, jsonln, outln};

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn colours_and_ends_of_lines_pass_and_nothing_else_that_draws() {
        let text = "\u{1b}[1mone\u{1b}[0m\n\ta\u{1b}]0;title\u{7}b\u{202e}\u{9b}2J\u{1b}[2Jc\n";
        assert_eq!(
            shown(text),
            "\u{1b}[1mone\u{1b}[0m\n\ta\\u{1b}]0;title\\u{7}b\\u{202e}\\u{9b}2J\\u{1b}[2Jc\n"
        );
    }
}
