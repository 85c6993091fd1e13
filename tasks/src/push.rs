//! Text that is added to a string, which cannot fail.

/// Adds formatted text to a [`String`].
#[macro_export]
macro_rules! push {
    ($text:expr, $($format:tt)*) => {{
        use ::std::fmt::Write as _;
        let _ = $text.write_fmt(format_args!($($format)*));
    }};
}

/// Adds formatted text to a [`String`], and ends the line.
#[macro_export]
macro_rules! pushln {
    ($text:expr) => {
        $text.push('\n')
    };
    ($text:expr, $($format:tt)*) => {{
        $crate::push!($text, $($format)*);
        $text.push('\n');
    }};
}
