//! What a host sends, cut into lines: ours, which begin with a word that nothing else on the host prints, and noise.
//!
//! A line of ours is `@NONCE WORD …`. Text that a login script prints beside it does not matter: lines of ours are
//! short enough to be written in one piece, so that other text can only stand before them or between them. An answer
//! comes in parts: `+ NAME` begins it, each `= BASE64` is a part, and `- LENGTH` ends it and gives the length of all
//! parts and of the line ends between them. A sign of life may bring the end of what the running step has printed. What is kept of a host is bounded, whatever it sends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use russh::{ChannelMsg, ChannelReadHalf};
use tokio::time::{Instant, timeout_at};

use super::error::SshError;

/// Bytes of noise that are kept for error messages.
const MOST_NOISE: usize = 4096;

/// Bytes that are kept of a line that does not end. Lines of ours are at most half as long.
const MOST_LINE: usize = 8192;

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
    nonce: String,
    /// What begins a line of ours.
    mark: Vec<u8>,
    line: Vec<u8>,
    noise: String,
    noise_bytes: usize,
    open: Option<Open>,
    frames: Vec<Frame>,
    frame_bytes: usize,
}

/// An answer that has begun.
struct Open {
    name: String,
    bytes: Vec<u8>,
    parts: usize,
    length: usize,
}

impl Received {
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            nonce: nonce.to_owned(),
            mark: format!("@{nonce} ").into_bytes(),
            line: Vec::new(),
            noise: String::new(),
            noise_bytes: 0,
            open: None,
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

    /// Gives the name of the answer that came last, while the script runs.
    pub(super) fn last_name(&self) -> Option<&str> {
        self.frames.last().map(|frame| frame.name.as_str())
    }

    /// Takes the answers that have come.
    pub(super) fn frames(&mut self) -> Result<Vec<Frame>, SshError> {
        if let Some(open) = self.open.take() {
            return Err(cut_short(&open.name));
        }
        self.frame_bytes = 0;
        Ok(std::mem::take(&mut self.frames))
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Line>, SshError> {
        // Nearly all lines are parts of answers, and these hold the mark once.
        let rest = line.strip_prefix(self.mark.as_slice());
        let found = if rest.is_some_and(|rest| !rest.contains(&b'@')) {
            Some(0)
        } else {
            line.windows(self.mark.len())
                .rposition(|at| at == self.mark)
        };
        let Some(at) = found else {
            self.hear(line);
            self.hear(b"\n");
            return Ok(None);
        };
        self.hear(&line[..at]);
        let Ok(said) = std::str::from_utf8(&line[at + self.mark.len()..]) else {
            return Err(broken());
        };
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        let line = match word {
            "+" => {
                if let Some(open) = self.open.take() {
                    return Err(cut_short(&open.name));
                }
                self.frame_bytes += rest.len();
                self.open = Some(Open {
                    name: rest.to_owned(),
                    bytes: Vec::new(),
                    parts: 0,
                    length: 0,
                });
                Line::Part
            }
            "=" => {
                let open = self.open.as_mut().ok_or_else(broken)?;
                let before = open.bytes.len();
                let decoded = STANDARD.decode_vec(rest, &mut open.bytes);
                decoded.map_err(|_| broken())?;
                open.parts += 1;
                open.length += rest.len();
                self.frame_bytes += open.bytes.len() - before;
                Line::Part
            }
            "-" => {
                let open = self.open.take().ok_or_else(broken)?;
                let frame = self.closed(open, rest)?;
                self.frames.push(frame);
                Line::Part
            }
            "alive" => Line::Alive(STANDARD.decode(rest).map_err(|_| broken())?),
            "shell" | "end" => match (rest.parse(), word) {
                (Ok(uid), "shell") => Line::Shell(uid),
                (Ok(sequence), _) => Line::End(sequence),
                (Err(_), _) => return Ok(None),
            },
            _ => return Err(broken()),
        };
        Ok(Some(line))
    }

    fn closed(&self, open: Open, length: &str) -> Result<Frame, SshError> {
        let Open {
            name,
            mut bytes,
            parts,
            length: found,
        } = open;
        if length.parse() != Ok(found + parts.saturating_sub(1)) {
            return Err(cut_short(&name));
        }
        let mark = format!("\n{}", self.nonce);
        let whole = bytes.ends_with(mark.as_bytes());
        if whole {
            bytes.truncate(bytes.len() - mark.len());
        }
        Ok(Frame { name, bytes, whole })
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

fn broken() -> SshError {
    SshError::Answer("a part of it is broken".to_owned())
}

fn cut_short(name: &str) -> SshError {
    SshError::Answer(format!("the part {name:?} is cut short"))
}

/// Reads the answers among output, for tests of scripts.
#[cfg(test)]
pub(crate) fn frames(output: &[u8], nonce: &str) -> Result<Vec<Frame>, SshError> {
    let mut received = Received::new(nonce);
    received.take(output)?;
    received.frames()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(output: &str) -> Result<Frame, SshError> {
        let mut frames = frames(output.as_bytes(), "n")?;
        assert_eq!(frames.len(), 1, "{frames:?}");
        Ok(frames.remove(0))
    }

    #[test]
    fn an_answer_comes_in_parts() {
        let frame = one("@n + stat\n@n = aGkh\n@n = aGk=\n@n - 9\n").unwrap();
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
            assert!(
                frames(broken.as_bytes(), "n").is_err(),
                "{broken:?} was accepted"
            );
        }
    }

    #[test]
    fn other_text_before_and_between_lines_does_not_matter() {
        let frame = one("motd\n.@n + a\nnoise @other = x\n...@n = aGk=\n\u{7}@n - 4\n").unwrap();
        assert_eq!(
            (frame.name.as_str(), frame.bytes.as_slice()),
            ("a", &b"hi"[..])
        );
    }

    #[test]
    fn lines_are_found_however_they_are_cut_into_packets() {
        let text = b"hello @n shell 0\n@n alive\n@n end 7\nrest";
        for size in 1..text.len() {
            let mut received = Received::new("n");
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
        let mut received = Received::new("n");
        let said = received.take(b"@n alive \n@n alive aGkK\n").unwrap();
        assert_eq!(
            said,
            [Line::Alive(Vec::new()), Line::Alive(b"hi\n".to_vec())]
        );
        assert!(received.take(b"@n alive a!\n").is_err());
    }

    #[test]
    fn what_is_kept_of_noise_is_bounded_and_its_amount_is_known() {
        let mut received = Received::new("n");
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
