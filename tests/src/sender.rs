//! Somebody who sends mail all the time, as another mail server would (RFC 5321): what is answered is kept, and what
//! is refused for now is sent again.

use std::collections::VecDeque;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::must;

/// How long a server may take for an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// A sender at work.
pub struct Sender {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Sent>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Sent {
    /// The subjects of messages that a server has taken, by their recipients.
    pub taken: Vec<(String, String)>,
    /// Refusals that a sender makes up for: answers 4xx, and connections that nobody takes or that end.
    pub temporary: Vec<(Duration, String)>,
    /// Refusals after which a sender gives up: answers 5xx.
    pub for_good: Vec<(Duration, String)>,
    /// How many messages nobody has taken by the end.
    pub waiting: usize,
    /// The longest time in which nothing was taken.
    pub longest_pause: Duration,
}

/// How one try ended.
enum Try {
    Taken,
    Temporary(String),
    ForGood(String),
}

impl Sender {
    /// Begins to send to these recipients in turn, a message each second.
    #[must_use]
    pub fn begin(server: &str, recipients: &[&str]) -> Self {
        let server: SocketAddr = must(format!("{server}:25").parse(), "an address");
        let recipients: Vec<_> = recipients.iter().map(|it| (*it).to_owned()).collect();
        let over = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&over);
        let thread = std::thread::spawn(move || work(server, &recipients, &asked));
        Self { over, thread }
    }

    /// Ends after what was refused for now was taken, and gives what came of it.
    pub fn end(self) -> Sent {
        self.over.store(true, Ordering::Relaxed);
        let Ok(sent) = self.thread.join() else {
            panic!("the sender has failed");
        };
        sent
    }
}

fn work(server: SocketAddr, recipients: &[String], over: &AtomicBool) -> Sent {
    let began = Instant::now();
    let mut sent = Sent::default();
    let mut waiting: VecDeque<(String, String)> = VecDeque::new();
    let mut number = 0;
    let mut last_taken = Instant::now();
    // What waits at the end gets less time than servers of the world would give it, and enough for this test.
    let mut patience = 60;
    while !over.load(Ordering::Relaxed) || (!waiting.is_empty() && patience > 0) {
        if over.load(Ordering::Relaxed) {
            patience -= 1;
        } else {
            number += 1;
            let recipient = &recipients[number % recipients.len()];
            waiting.push_back((recipient.clone(), format!("number-{number}.")));
        }
        for _ in 0..waiting.len() {
            let Some((recipient, subject)) = waiting.pop_front() else {
                break;
            };
            let refused = |what: String| (began.elapsed(), format!("{recipient}: {what}"));
            match deliver(server, &recipient, &subject) {
                Try::Taken => {
                    sent.longest_pause = sent.longest_pause.max(last_taken.elapsed());
                    last_taken = Instant::now();
                    sent.taken.push((recipient, subject));
                }
                Try::ForGood(what) => sent.for_good.push(refused(what)),
                Try::Temporary(what) => {
                    sent.temporary.push(refused(what));
                    waiting.push_back((recipient, subject));
                    // Another second, another try.
                    break;
                }
            }
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    sent.waiting = waiting.len();
    sent
}

/// Says what one sends and hears until the message is taken, or not.
fn deliver(server: SocketAddr, recipient: &str, subject: &str) -> Try {
    let connected = TcpStream::connect_timeout(&server, Duration::from_secs(5));
    let stream = connected.and_then(|stream| {
        stream.set_read_timeout(Some(ANSWER))?;
        Ok((BufReader::new(stream.try_clone()?), stream))
    });
    let (mut answers, mut stream) = match stream {
        Ok(both) => both,
        Err(error) => return Try::Temporary(format!("connecting: {error}")),
    };
    let message = format!(
        "From: sender@world.test\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nSent meanwhile.\r\n.\r\n"
    );
    let lines = [
        ("", '2'),
        ("EHLO sender.world.test\r\n", '2'),
        ("MAIL FROM:<sender@world.test>\r\n", '2'),
        (&format!("RCPT TO:<{recipient}>\r\n"), '2'),
        ("DATA\r\n", '3'),
        (&message, '2'),
    ];
    for (line, good) in lines {
        let told = line.lines().next().unwrap_or("connected");
        let answer = stream
            .write_all(line.as_bytes())
            .and_then(|()| answer(&mut answers));
        match answer {
            Ok(answer) if answer.starts_with(good) => {}
            Ok(answer) if answer.starts_with('5') => {
                return Try::ForGood(format!("{told}: {answer}"));
            }
            Ok(answer) => return Try::Temporary(format!("{told}: {answer}")),
            Err(error) => return Try::Temporary(format!("{told}: {error}")),
        }
    }
    // It is the server's by now, whether or not it says goodbye.
    let _ = stream.write_all(b"QUIT\r\n");
    Try::Taken
}

/// Reads an answer of one line or more and gives the last one.
fn answer(answers: &mut impl std::io::BufRead) -> std::io::Result<String> {
    loop {
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Err(std::io::Error::other("the connection has ended"));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.trim_end().to_owned());
        }
    }
}
