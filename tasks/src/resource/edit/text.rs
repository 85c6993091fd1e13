//! The text of a file: what is one and what is not, the mark it may begin with, its lines and how they end.
//!
//! Lines end with `\n` or `\r\n`. Bytes that are no UTF-8 stay as they are; what has NUL bytes, is in an encoding of two or
//! four bytes, or has lines that end with `\r` alone is refused: what looks like one line there may be all of them.

use std::borrow::Cow;
use std::ops::Range;

use super::{Refusal, Splice};
use crate::content::Segment;
use crate::raw;
use crate::value::HostPath;

/// The mark that a text in UTF-8 may begin with. It is no part of the first line.
const MARK: char = '\u{feff}';

/// What begins texts in encodings that cannot be edited bytewise; longer ones first.
const OTHER_MARKS: [(&[u8], &str); 4] = [
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
];

/// Gives the text of a file's bytes, or says why it is not edited.
pub(super) fn text_of<'a>(path: &HostPath, bytes: &'a [u8]) -> Result<Cow<'a, str>, Refusal> {
    let other = OTHER_MARKS.iter().find(|(mark, _)| bytes.starts_with(mark));
    if let Some((_, encoding)) = other {
        return Err(Refusal {
            cause: format!("{path} is in {encoding}, as the mark at its beginning says"),
            hint: format!(
                "convert it on the host (`iconv -f {encoding} -t UTF-8 {path}`), or manage the whole file"
            ),
        });
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Refusal {
            cause: format!(
                "{path} is no text: it has a NUL byte in line {}",
                line_number(bytes, at)
            ),
            hint: "manage the whole file with `file`; if it is UTF-16 without a mark, convert it on the host with `iconv`".to_owned(),
        });
    }
    if let Some(line) = lone_return(bytes) {
        return Err(Refusal {
            cause: format!(
                "{path} has a carriage return without a line feed in line {line}, as old Macs end lines"
            ),
            hint: format!(
                "convert its line ends on the host (`perl -pi -e 's/\\r\\n?/\\n/g' {path}`), or manage the whole file"
            ),
        });
    }
    Ok(raw::text(bytes))
}

/// Finds a carriage return that no line feed follows; gives the number of its line.
pub(super) fn lone_return(bytes: &[u8]) -> Option<usize> {
    let lone = |at: &usize| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    let at = (0..bytes.len()).find(lone)?;
    Some(line_number(bytes, at))
}

fn line_number(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|byte| *byte == b'\n').count()
}

/// Splits a text into its mark and what is edited.
pub(super) fn unmarked(text: &str) -> (&str, &str) {
    text.split_at(if text.starts_with(MARK) {
        MARK.len_utf8()
    } else {
        0
    })
}

/// One line of a text: its place, and its words without the line ending.
#[derive(Clone, Copy)]
pub(in crate::resource) struct LineOf<'a> {
    pub(in crate::resource) start: usize,
    pub(in crate::resource) body: &'a str,
    /// Where the next line begins.
    pub(in crate::resource) end: usize,
}

impl LineOf<'_> {
    /// Gives the place of the words.
    pub(in crate::resource) const fn words(&self) -> Range<usize> {
        self.start..self.start + self.body.len()
    }
}

/// Splits a text into lines, from either end; the last need not have a line ending.
pub(in crate::resource) fn lines_of(text: &str) -> impl DoubleEndedIterator<Item = LineOf<'_>> {
    text.split_inclusive('\n').map(move |line| {
        let start = line.as_ptr().addr() - text.as_ptr().addr();
        LineOf {
            start,
            body: line.trim_end_matches(['\r', '\n']),
            end: start + line.len(),
        }
    })
}

/// Gives how a line ends that is put at a place: as the line before it, else as the one after it.
pub(in crate::resource) fn ending_at(text: &str, at: usize) -> &'static str {
    let before = text[..at].rfind('\n');
    let end = before.or_else(|| text[at..].find('\n').map(|next| at + next));
    match end {
        Some(end) if text[..end].ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// Inserts whole lines, which end as those around them do, ending the line before them if it has no end.
pub(in crate::resource) fn insertion(text: &str, at: usize, mut lines: Vec<Segment>) -> Splice {
    let ending = ending_at(text, at);
    if at > 0 && !text[..at].ends_with('\n') {
        lines.insert(0, Segment::Plain(ending.to_owned()));
    }
    lines.push(Segment::Plain(ending.to_owned()));
    Splice {
        range: at..at,
        with: lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_from_both_ends() {
        let text = "a\r\n\nlast";
        let bodies: Vec<_> = lines_of(text)
            .map(|line| (line.start, line.body, line.end))
            .collect();
        assert_eq!(bodies, [(0, "a", 3), (3, "", 4), (4, "last", 8)]);
        assert_eq!(
            lines_of(text).next_back().map(|line| line.words()),
            Some(4..8)
        );
        assert_eq!(lines_of("").count(), 0);
    }

    #[test]
    fn a_new_line_ends_as_those_around_it() {
        assert_eq!(ending_at("", 0), "\n");
        assert_eq!(ending_at("a", 1), "\n");
        assert_eq!(ending_at("a\r\nb", 4), "\r\n");
        assert_eq!(ending_at("a\nb\r\nc", 2), "\n");
        assert_eq!(ending_at("a\nb\r\nc", 6), "\r\n");
        assert_eq!(ending_at("a\r\nb\n", 0), "\r\n");
    }

    #[test]
    fn what_is_no_text_is_told_apart() {
        let path = HostPath::new("/x").unwrap();
        let cause = |bytes: &[u8]| text_of(&path, bytes).err().map(|refusal| refusal.cause);
        assert_eq!(cause(b"\xef\xbb\xbfa\r\nb\xfcc\n"), None);
        assert!(cause(b"\xff\xfea\0\n\0").unwrap().contains("UTF-16"));
        assert!(cause(b"\xfe\xff\0a").unwrap().contains("UTF-16"));
        assert!(cause(b"\xff\xfe\0\0a\0\0\0").unwrap().contains("UTF-32"));
        assert!(cause(b"a\nb\0c").unwrap().contains("NUL byte in line 2"));
        assert!(cause(b"a\nb\rc\n").unwrap().contains("in line 2"));
        assert!(cause(b"a\r").unwrap().contains("in line 1"));
        assert!(cause(b"a\r\r\n").is_some());
    }
}
