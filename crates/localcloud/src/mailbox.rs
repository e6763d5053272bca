//! The mailbox: where the mails that SNS sends arrive, as files any mail program opens.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

/// A mail as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Whom it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its plain text.
    pub body: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// The ARN of the topic it was published to.
    pub topic: String,
}

/// Why a mail is not in the mailbox.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the mail {path}: {source}")]
pub struct MailboxError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// All mails, in order; also in a folder, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    folder: Option<PathBuf>,
    mails: Vec<Mail>,
}

impl Mailbox {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, mails: Vec::new() }
    }

    pub(crate) fn mails(&self) -> &[Mail] {
        &self.mails
    }

    /// Keeps a mail. When this returns its file is complete under its name; on an error neither the file nor the
    /// mail is there.
    pub(crate) fn deliver(&mut self, mail: Mail) -> Result<(), MailboxError> {
        if let Some(folder) = &self.folder {
            write(folder, self.mails.len(), &mail)?;
        }
        self.mails.push(mail);
        Ok(())
    }
}

fn write(folder: &Path, number: usize, mail: &Mail) -> Result<(), MailboxError> {
    let path = folder.join(file_name(number, mail));
    // Under another name first: who watches the folder never sees half a mail.
    let draft = path.with_extension("part");
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&draft, message_of(mail, &new_message_id())))
        .and_then(|()| fs::rename(&draft, &path));
    written.map_err(|source| {
        // What a full disk left of it; that it cannot be removed either is no news.
        let _ = fs::remove_file(&draft);
        MailboxError { path, source }
    })
}

/// Sorts by time. The subject may hold anything; of it only letters and digits get into the name.
fn file_name(number: usize, mail: &Mail) -> String {
    let time = mail.sent_at.strftime("%Y%m%dT%H%M%S%3fZ");
    let mut words = String::new();
    for c in mail.subject.chars() {
        if c.is_ascii_alphanumeric() {
            words.push(c.to_ascii_lowercase());
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
        if words.len() == 48 {
            break;
        }
    }
    format!("{time}-{number:06}-{}.eml", words.trim_end_matches('-'))
}

fn new_message_id() -> String {
    format!("<{:032x}@sns.{}.amazonaws.com>", fastrand::u128(..), crate::wire::REGION)
}

/// The mail as RFC 5322 and MIME have it.
fn message_of(mail: &Mail, message_id: &str) -> String {
    let date = mail.sent_at.strftime("%a, %d %b %Y %H:%M:%S +0000");
    let (encoding, body) = if is_plain(&mail.body) {
        ("7bit", mail.body.replace("\r\n", "\n").replace('\n', "\r\n"))
    } else {
        ("quoted-printable", quoted_printable(&mail.body))
    };
    let subject = folded(&format!("Subject: {}", mail.subject));
    let end = if body.ends_with("\r\n") { "" } else { "\r\n" };
    format!(
        "Date: {date}\r\n\
         From: AWS Notifications <no-reply@sns.amazonaws.com>\r\n\
         To: {to}\r\n\
         {subject}\r\n\
         Message-ID: {message_id}\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=UTF-8\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\
         \r\n\
         {body}{end}",
        to = mail.to,
    )
}

/// Whether a body may go as it is: ASCII without control characters, in lines no longer than mail allows.
fn is_plain(body: &str) -> bool {
    let plain = |c: char| c == '\t' || c == ' ' || c.is_ascii_graphic();
    lines(body).all(|line| line.len() <= 998 && line.chars().all(plain))
}

/// A carriage return alone is no line break, but part of a line (and gets encoded there).
fn lines(body: &str) -> impl Iterator<Item = &str> {
    body.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// RFC 2045, 6.7.
fn quoted_printable(body: &str) -> String {
    let mut text = String::with_capacity(body.len() + body.len() / 2);
    for (n, line) in lines(body).enumerate() {
        if n > 0 {
            text.push_str("\r\n");
        }
        let bytes = line.as_bytes();
        let mut width = 0;
        for (i, &byte) in bytes.iter().enumerate() {
            let last = i + 1 == bytes.len();
            let literal = match byte {
                b'=' => false,
                // A blank at the end of a line would be lost on the way.
                b' ' | b'\t' => !last,
                other => other.is_ascii_graphic(),
            };
            let needed = if literal { 1 } else { 3 };
            // 76 columns, of which the last one is for the soft break.
            if width + needed > 75 {
                text.push_str("=\r\n");
                width = 0;
            }
            if literal {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("={byte:02X}"));
            }
            width += needed;
        }
    }
    text
}

/// A header broken before blanks where it is longer than 78 columns; never so that a line is blank.
fn folded(header: &str) -> String {
    let mut text = String::new();
    let mut rest = header;
    while rest.len() > 78 {
        let bytes = rest.as_bytes();
        let blank_before_word = |&at: &usize| {
            bytes[at] == b' ' && bytes[at - 1] != b' ' && bytes.get(at + 1).is_some_and(|b| *b != b' ')
        };
        // Not in the first columns: the header's name stays with its first word.
        let Some(at) = (12..78).rev().find(blank_before_word) else { break };
        text.push_str(&rest[..at]);
        text.push_str("\r\n");
        rest = &rest[at..];
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(subject: &str, body: &str) -> Mail {
        Mail {
            to: "ops@example.com".into(),
            subject: subject.into(),
            body: body.into(),
            sent_at: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
            topic: "arn:aws:sns:us-east-1:123456789012:t".into(),
        }
    }

    #[test]
    fn a_plain_mail_is_readable_as_it_is() {
        assert_eq!(
            message_of(&mail("done: a.csv", "one\ntwo\r\n"), "<1@x>"),
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
             From: AWS Notifications <no-reply@sns.amazonaws.com>\r\n\
             To: ops@example.com\r\n\
             Subject: done: a.csv\r\n\
             Message-ID: <1@x>\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=UTF-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n\
             one\r\ntwo\r\n"
        );
    }

    #[test]
    fn anything_else_is_quoted() {
        assert_eq!(quoted_printable("a=b \nü\u{7}\r\nx\ry"), "a=3Db=20\r\n=C3=BC=07\r\nx=0Dy");
        let long = quoted_printable(&"é x".repeat(400));
        assert!(long.split("\r\n").all(|line| line.len() <= 76));
        assert!(message_of(&mail("s", "é"), "<1@x>").contains("quoted-printable\r\n\r\n=C3=A9\r\n"));
        assert!(!is_plain(&"x".repeat(999)));
        assert!(is_plain(&"x".repeat(998)));
    }

    #[test]
    fn a_quoted_body_reads_back_as_it_was() {
        fastrand::seed(5);
        for _ in 0..200 {
            let body: String = (0..fastrand::usize(..300))
                .map(|_| *fastrand::choice(&['a', ' ', '=', '\t', 'ü', '😀', '\n']).unwrap())
                .collect();
            let quoted = quoted_printable(&body);
            let mut bytes = Vec::new();
            let joined = quoted.replace("=\r\n", "").replace("\r\n", "\n");
            let mut rest = joined.as_bytes();
            while let Some((&first, after)) = rest.split_first() {
                if first == b'=' {
                    bytes.extend(hex::decode(&after[..2]).unwrap());
                    rest = &after[2..];
                } else {
                    bytes.push(first);
                    rest = after;
                }
            }
            assert_eq!(String::from_utf8(bytes).unwrap(), body);
        }
    }

    #[test]
    fn a_long_subject_is_folded_at_words() {
        let header = format!("Subject: {}", "word ".repeat(18).trim_end());
        let folded = folded(&header);
        assert!(folded.split("\r\n").all(|line| line.len() <= 78));
        assert_eq!(folded.replace("\r\n", ""), header);
        let unbroken = format!("Subject: {}", "x".repeat(99));
        assert_eq!(super::folded(&unbroken), unbroken);
    }

    #[test]
    fn file_names_sort_by_time_and_hold_nothing_of_a_path() {
        let name = file_name(3, &mail("failed: ../../etc/passwd\\x (attempt 2)", ""));
        assert_eq!(name, "20231114T221320123Z-000003-failed-etc-passwd-x-attempt-2.eml");
        assert_eq!(file_name(4, &mail("!!!", "")), "20231114T221320123Z-000004-.eml");
    }

    #[test]
    fn a_mail_that_cannot_be_written_is_not_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, "").unwrap();
        let mut mailbox = Mailbox::new(Some(in_the_way.join("mails")));
        assert!(
            mailbox.deliver(mail("s", "b")).unwrap_err().to_string().contains("failed to write the mail")
        );
        assert!(mailbox.mails().is_empty());
        let mut mailbox = Mailbox::new(Some(folder.path().join("mails")));
        mailbox.deliver(mail("s", "b")).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path().join("mails"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["20231114T221320123Z-000000-s.eml"]);
    }
}
