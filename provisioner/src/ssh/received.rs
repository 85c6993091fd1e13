//! What a host sends, cut into lines: ours, which begin with a word that nothing else on the host prints, and noise.
//!
//! A line of ours is `@NONCE WORD …`. Text that a login script prints beside it does not matter: lines of ours are
//! short enough to be written in one piece, so that other text can only stand before them or between them. An answer
//! comes in parts: `+ NAME` begins it, each `= BASE64` is a part, and `- LENGTH` ends it and gives the length of all
//! parts. `*` begins a stream of answers, which comes in parts, too; in it, `MARK+NAME` on a line of its own begins each
//! answer. `? NAME` says beside it which one the host is at. A sign of life may bring the end of what the running step has
//! printed. What is kept of a host is bounded, whatever it sends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use memchr::{memchr, memmem};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::time::{Instant, timeout_at};

use super::error::{SshError, said};

/// Bytes of noise that are kept for error messages.
const MOST_NOISE: usize = 4096;

/// Bytes that are kept of a line that does not end. Lines of ours are at most half as long.
const MOST_LINE: usize = 8192;

/// The words by which what prov's scripts print is told from everything else. No two sessions have the same.
#[derive(Debug, Clone)]
pub struct Marks {
    /// Begins the line in which a shell says that it runs. It is in the command that becomes root, so every account of the host
    /// may see it.
    pub public: String,
    /// Begins all other lines of ours, divides the answers of a stream, and ends those that are whole. Nobody but root may know
    /// it: what somebody else writes, to a file or to a descriptor that a program of theirs inherits, could otherwise pass for
    /// answers. Scripts alone have it, which come by standard input.
    pub secret: String,
}

/// One answer of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The name that the script gave it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it ended with the mark of a complete answer.
    pub whole: bool,
}

impl Frame {
    fn of(name: String, mut bytes: Vec<u8>, marks: &Marks) -> Self {
        let mark = format!("\n{}", marks.secret);
        let whole = bytes.ends_with(mark.as_bytes());
        if whole {
            bytes.truncate(bytes.len() - mark.len());
        }
        Self { name, bytes, whole }
    }
}

/// What a line of ours says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The shell runs, as the user with this number.
    Shell(u32),
    /// The host is still at work, and this is the end of what the running step has printed.
    Alive(Vec<u8>),
    /// A part of an answer.
    Part,
    /// The script with this number has run to its end.
    End(u32),
}

/// Takes what a host sends.
pub(super) struct Received {
    marks: Marks,
    /// What begins a line of ours.
    mark: Vec<u8>,
    /// What comes before the number of a shell's user.
    shell_mark: Vec<u8>,
    line: Vec<u8>,
    noise: String,
    noise_bytes: usize,
    open: Option<Open>,
    /// What the host has said that it is about to answer.
    at: Option<String>,
    frames: Vec<Frame>,
    frame_bytes: usize,
}

/// An answer that has begun.
struct Open {
    /// Nothing before the first answer of a stream.
    name: Option<String>,
    is_stream: bool,
    bytes: Vec<u8>,
    /// How many of the bytes were searched for another answer's beginning.
    searched: usize,
    length: usize,
}

impl Open {
    fn new(name: Option<String>) -> Self {
        Self {
            is_stream: name.is_none(),
            name,
            bytes: Vec::new(),
            searched: 0,
            length: 0,
        }
    }

    /// Where another answer begins in a stream, gives the one before it.
    fn ended(&mut self, marks: &Marks) -> Result<Option<Frame>, SshError> {
        let begin = format!("\n{}+", marks.secret);
        let found = memmem::find(&self.bytes[self.searched..], begin.as_bytes());
        let Some(at) = found.map(|at| self.searched + at) else {
            self.searched = (self.bytes.len() + 1).saturating_sub(begin.len());
            return Ok(None);
        };
        self.searched = at;
        let named = at + begin.len();
        let Some(length) = memchr(b'\n', &self.bytes[named..]) else {
            let is_a_name = self.bytes.len() - named < MOST_LINE;
            return is_a_name.then_some(None).ok_or_else(broken);
        };
        let name = String::from_utf8(self.bytes[named..named + length].to_vec());
        // No longer than a line. None keeps room for more than it holds: a host may answer many and short ones.
        let rest = self.bytes[named + length + 1..].to_vec();
        self.searched = 0;
        let mut before = std::mem::replace(&mut self.bytes, rest);
        before.truncate(at);
        before.shrink_to_fit();
        let name = self.name.replace(name.map_err(|_| broken())?);
        match name {
            Some(name) => Ok(Some(Frame::of(name, before, marks))),
            // Whatever came before the first answer belongs to none.
            None if before.is_empty() => self.ended(marks),
            None => Err(broken()),
        }
    }
}

impl Received {
    pub(super) fn new(marks: Marks) -> Self {
        Self {
            mark: format!("@{} ", marks.secret).into_bytes(),
            shell_mark: format!("@{} shell ", marks.public).into_bytes(),
            marks,
            line: Vec::new(),
            noise: String::new(),
            noise_bytes: 0,
            open: None,
            at: None,
            frames: Vec::new(),
            frame_bytes: 0,
        }
    }

    /// Takes bytes and gives what the lines of ours among them say.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Line>, SshError> {
        let mut said = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let mut line = std::mem::take(&mut self.line);
                line.pop();
                said.extend(self.line(&line)?);
                line.clear();
                self.line = line;
            } else if self.line.len() > MOST_LINE {
                let cut = self.line.len() - MOST_LINE / 2;
                let noise: Vec<u8> = self.line.drain(..cut).collect();
                self.hear(&noise);
            }
        }
        Ok(said)
    }

    /// Takes what is no line of ours in any case.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.noise_bytes += bytes.len();
        self.noise.push_str(&String::from_utf8_lossy(bytes));
        if self.noise.len() > MOST_NOISE {
            let mut cut = self.noise.len() - MOST_NOISE / 2;
            while !self.noise.is_char_boundary(cut) {
                cut += 1;
            }
            self.noise.drain(..cut);
        }
    }

    /// Gives the end of what was said besides, with what was said of the line that is not complete yet.
    pub(super) fn noise(&self) -> String {
        format!("{}{}", self.noise, String::from_utf8_lossy(&self.line))
    }

    /// Tells how many bytes were no answer.
    pub(super) const fn noise_bytes(&self) -> usize {
        self.noise_bytes
    }

    /// Tells how many bytes the answers have that were not taken yet.
    pub(super) const fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Forgets what was said so far besides answers.
    pub(super) fn forget_noise(&mut self) {
        self.noise.clear();
        self.line.clear();
        self.noise_bytes = 0;
    }

    /// Says how far the script has come, as far as it tells.
    pub(super) fn progress(&self) -> Option<String> {
        let last = || {
            Some(format!(
                "the last it answered was {:?}",
                self.frames.last()?.name
            ))
        };
        let at = self.at.as_ref();
        at.map(|name| format!("it was at {name:?}")).or_else(last)
    }

    /// Takes the answers that have come.
    pub(super) fn frames(&mut self) -> Result<Vec<Frame>, SshError> {
        if let Some(cause) = self.unfinished() {
            // What it said may be that a program is missing with which it answers.
            let said = said(&last_line(&self.noise()));
            return Err(SshError::Answer(cause + &said));
        }
        self.at = None;
        self.frame_bytes = 0;
        Ok(std::mem::take(&mut self.frames))
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Line>, SshError> {
        // Nearly all lines are parts of answers, and these hold the mark once.
        let rest = line.strip_prefix(self.mark.as_slice());
        let found = if rest.is_some_and(|rest| !rest.contains(&b'@')) {
            Some(0)
        } else {
            memmem::rfind(line, &self.mark)
        };
        let Some(at) = found else {
            let shell = memmem::rfind(line, &self.shell_mark);
            let uid = shell.and_then(|at| {
                let uid = std::str::from_utf8(&line[at + self.shell_mark.len()..]).ok()?;
                Some((at, uid.parse().ok()?))
            });
            let Some((at, uid)) = uid else {
                self.hear(line);
                self.hear(b"\n");
                return Ok(None);
            };
            self.hear(&line[..at]);
            return Ok(Some(Line::Shell(uid)));
        };
        if line.len() > MOST_LINE {
            return Err(broken());
        }
        self.hear(&line[..at]);
        let Ok(said) = std::str::from_utf8(&line[at + self.mark.len()..]) else {
            return Err(broken());
        };
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        let line = match word {
            "+" => {
                if let Some(cause) = self.unfinished() {
                    return Err(SshError::Answer(cause));
                }
                self.frame_bytes += rest.len();
                self.open = Some(Open::new(Some(rest.to_owned())));
                Line::Part
            }
            "*" => {
                if let Some(cause) = self.unfinished() {
                    return Err(SshError::Answer(cause));
                }
                self.open = Some(Open::new(None));
                Line::Part
            }
            "?" => {
                self.at = Some(rest.to_owned());
                Line::Part
            }
            "=" => {
                let open = self.open.as_mut().ok_or_else(broken)?;
                let before = open.bytes.len();
                let decoded = STANDARD.decode_vec(rest, &mut open.bytes);
                decoded.map_err(|_| broken())?;
                open.length += rest.len();
                self.frame_bytes += open.bytes.len() - before;
                while open.is_stream
                    && let Some(frame) = open.ended(&self.marks)?
                {
                    self.frames.push(frame);
                }
                Line::Part
            }
            "-" => {
                let open = self.open.take().ok_or_else(broken)?;
                if rest.parse() != Ok(open.length) {
                    return Err(SshError::Answer(cut_short(open.name.as_deref())));
                }
                let Open {
                    name,
                    mut bytes,
                    is_stream,
                    ..
                } = open;
                if is_stream {
                    // What ends the script alone ends its answers: a shell that was killed has nobody say so.
                    let end = format!("\n{}.", self.marks.secret);
                    if !bytes.ends_with(end.as_bytes()) {
                        return Err(SshError::Answer(cut_short(None)));
                    }
                    bytes.truncate(bytes.len() - end.len());
                }
                match name {
                    Some(name) => self.frames.push(Frame::of(name, bytes, &self.marks)),
                    None if bytes.is_empty() => {}
                    None => return Err(broken()),
                }
                Line::Part
            }
            "alive" => Line::Alive(STANDARD.decode(rest).map_err(|_| broken())?),
            "end" => Line::End(rest.parse().map_err(|_| broken())?),
            _ => return Err(broken()),
        };
        Ok(Some(line))
    }

    /// Says what has begun and not ended.
    fn unfinished(&mut self) -> Option<String> {
        self.open.take().map(|open| cut_short(open.name.as_deref()))
    }
}

/// The time is up.
pub(super) struct Late;

/// Waits for the next message. Time is up also where the host always has more to say, which a time-out alone would not see.
pub(super) async fn next(
    reader: &mut ChannelReadHalf,
    deadline: Instant,
) -> Result<Option<ChannelMsg>, Late> {
    if Instant::now() >= deadline {
        return Err(Late);
    }
    timeout_at(deadline, reader.wait()).await.map_err(|_| Late)
}

/// Gives the last line that says something, without characters that could draw on the terminal.
pub(super) fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default()
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect()
}

fn broken() -> SshError {
    SshError::Answer("a part of it is broken".to_owned())
}

fn cut_short(name: Option<&str>) -> String {
    name.map_or_else(
        || "all of it is cut short".to_owned(),
        |name| format!("the part {name:?} is cut short"),
    )
}

/// Reads the answers among output, for tests of scripts.
#[cfg(test)]
pub(crate) fn frames(output: &[u8], marks: &Marks) -> Result<Vec<Frame>, SshError> {
    let mut received = Received::new(marks.clone());
    received.take(output)?;
    received.frames()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        Marks {
            public: "p".to_owned(),
            secret: "n".to_owned(),
        }
    }

    fn found(output: &str) -> Result<Vec<Frame>, SshError> {
        frames(output.as_bytes(), &marks())
    }

    fn one(output: &str) -> Result<Frame, SshError> {
        let mut frames = found(output)?;
        assert_eq!(frames.len(), 1, "{frames:?}");
        Ok(frames.remove(0))
    }

    #[test]
    fn an_answer_comes_in_parts() {
        let frame = one("@n + stat\n@n = aGkh\n@n = aGk=\n@n - 8\n").unwrap();
        assert_eq!(
            (frame.bytes.as_slice(), frame.whole),
            (&b"hi!hi"[..], false)
        );
        let frame = one("@n + stat\n@n = aGkKbg==\n@n - 8\n").unwrap();
        assert_eq!((frame.bytes.as_slice(), frame.whole), (&b"hi"[..], true));
        let frame = one("@n + nothing\n@n - 0\n").unwrap();
        assert!(frame.bytes.is_empty());
    }

    #[test]
    fn an_answer_that_is_cut_short_or_broken_is_refused() {
        for broken in [
            "@n + a\n@n = aGk=\n@n - 5\n",
            "@n + a\n@n = aGk=\n@n - x\n",
            "@n + a\n@n = aGk=\n",
            "@n + a\n@n = a!k=\n@n - 4\n",
            "@n + a\n@n + b\n@n - 0\n",
            "@n = aGk=\n",
            "@n - 0\n",
            "@n what\n",
        ] {
            assert!(found(broken).is_err(), "{broken:?} was accepted");
        }
    }

    /// Encodes a stream as a host does, in lines of so many bytes.
    fn stream(text: &str, size: usize) -> String {
        stream_without_end(&format!("{text}\nn."), size)
    }

    fn stream_without_end(text: &str, size: usize) -> String {
        let encoded: Vec<_> = text
            .as_bytes()
            .chunks(size)
            .map(|it| STANDARD.encode(it))
            .collect();
        let length: usize = encoded.iter().map(String::len).sum();
        let lines: Vec<_> = encoded
            .iter()
            .map(|part| format!("@n = {part}\n"))
            .collect();
        format!("@n *\n{}@n - {length}\n", lines.concat())
    }

    #[test]
    fn a_stream_has_many_answers_however_it_is_cut_into_lines() {
        let text = "\nn+a\none\nn\nn+b:1\n\nn+c\n\nn\nnlast\nn";
        let frame = |name: &str, text: &str, whole| Frame {
            name: name.to_owned(),
            bytes: text.as_bytes().to_vec(),
            whole,
        };
        let expected = [
            frame("a", "one", true),
            frame("b:1", "", false),
            frame("c", "\nn\nnlast", true),
        ];
        for size in 1..=text.len() {
            let found = found(&stream(text, size)).unwrap();
            assert_eq!(found, expected, "{size}");
        }
        assert!(found(&stream("", 9)).unwrap().is_empty());
    }

    #[test]
    fn a_stream_that_begins_with_something_else_or_is_cut_short_is_refused() {
        let whole = stream("\nn+a\none\nn", 5);
        assert!(found(&whole).is_ok());
        for broken in [
            stream("x\nn+a\none\nn", 5),
            stream("x", 5),
            stream("\nn+a", 5),
            stream_without_end("\nn+a\none\nn", 5),
            stream_without_end("", 5),
            stream(&format!("\nn+{}", "a".repeat(10_000)), 3000),
            format!("@n *\n@n = {}\n@n - 12000\n", "QUJD".repeat(3000)),
            whole.replace("@n - ", "@n - 1"),
            whole[..whole.len() - 6].to_owned(),
            format!("@n *\n{whole}"),
            stream("\nn+a\none\nn", 3).replacen("@n = ", "@n + b\n@n = ", 1),
        ] {
            assert!(found(&broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_a_host_is_at_is_known_until_it_has_answered() {
        let mut received = Received::new(marks());
        received.take(b"@n + a\n@n - 0\n").unwrap();
        assert_eq!(
            received.progress().unwrap(),
            "the last it answered was \"a\""
        );
        received.take(b"@n ? b\n").unwrap();
        assert_eq!(received.progress().unwrap(), "it was at \"b\"");
        received.frames().unwrap();
        assert_eq!(received.progress(), None);
    }

    #[test]
    fn other_text_before_and_between_lines_does_not_matter() {
        let frame = one("motd\n.@n + a\nnoise @other = x\n...@n = aGk=\n\u{7}@n - 4\n").unwrap();
        assert_eq!(
            (frame.name.as_str(), frame.bytes.as_slice()),
            ("a", &b"hi"[..])
        );
    }

    /// Every account of a host may see that word.
    #[test]
    fn the_word_of_the_command_that_becomes_root_passes_nothing_off_as_an_answer() {
        let forged = "@p + pending\n@p = aGk=\n@p - 4\n@p end 1\n";
        assert!(found(forged).unwrap().is_empty());
        let inside = format!(
            "@n *\n{forged}{}",
            &stream("\nn+a\n\nn", 9)["@n *\n".len()..]
        );
        assert_eq!(found(&inside).unwrap().len(), 1);
    }

    #[test]
    fn lines_are_found_however_they_are_cut_into_packets() {
        let text = b"hello @p shell 0\n@n alive\n@n end 7\nrest";
        for size in 1..text.len() {
            let mut received = Received::new(marks());
            let packets = text.chunks(size);
            let said: Vec<_> = packets
                .flat_map(|part| received.take(part).unwrap())
                .collect();
            assert_eq!(
                said,
                [Line::Shell(0), Line::Alive(Vec::new()), Line::End(7)]
            );
            assert_eq!(received.noise(), "hello rest");
        }
    }

    #[test]
    fn a_sign_of_life_may_bring_what_the_running_step_has_printed() {
        let mut received = Received::new(marks());
        let said = received.take(b"@n alive \n@n alive aGkK\n").unwrap();
        assert_eq!(
            said,
            [Line::Alive(Vec::new()), Line::Alive(b"hi\n".to_vec())]
        );
        assert!(received.take(b"@n alive a!\n").is_err());
    }

    #[test]
    fn what_is_kept_of_noise_is_bounded_and_its_amount_is_known() {
        let mut received = Received::new(marks());
        for _ in 0..100_000 {
            received.take(b"y\n").unwrap();
        }
        received.take(&vec![b'x'; 1_000_000]).unwrap();
        assert!(received.noise().len() <= MOST_NOISE + MOST_LINE + 1);
        assert!(received.line.capacity() <= 2_000_000);
        assert!(received.noise_bytes() > 1_100_000);
        assert!(received.take(b" @n alive\n").unwrap() == [Line::Alive(Vec::new())]);
    }
}
