//! Printing that ends quietly when nobody reads any more, as in `prov diff | head`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Becomes true once nobody reads standard output any more.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Tells whether there is nobody left to print for.
pub fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Prints to standard output. Once nobody reads, nothing more is printed; the work goes on, and so does its exit code.
pub fn out(text: Arguments<'_>) {
    if closed() {
        return;
    }
    if let Err(error) = anstream::stdout().write_fmt(text)
        && error.kind() == ErrorKind::BrokenPipe
    {
        CLOSED.store(true, Ordering::Relaxed);
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
