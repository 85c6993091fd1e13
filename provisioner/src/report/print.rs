//! Printing that ends quietly when nobody reads any more, as in `prov diff | head`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};

use super::problem::exit;

/// Prints to standard output.
pub fn out(text: Arguments<'_>) {
    let result = anstream::stdout().write_fmt(text);
    if let Err(error) = result
        && error.kind() == ErrorKind::BrokenPipe
    {
        std::process::exit(i32::from(exit::DONE));
    }
    // Any other failure, such as a full disk behind a redirection, has no better place to be told.
}

/// Prints to standard error; where that is closed there is nobody to tell.
pub fn err(text: Arguments<'_>) {
    let _ = anstream::stderr().write_fmt(text);
}

/// Prints a line to standard output.
macro_rules! outln {
    ($($part:tt)*) => {
        $crate::report::print::out(format_args!("{}\n", format_args!($($part)*)))
    };
}

/// Prints a line to standard error.
macro_rules! errln {
    ($($part:tt)*) => {
        $crate::report::print::err(format_args!("{}\n", format_args!($($part)*)))
    };
}

pub(crate) use {errln, outln};
