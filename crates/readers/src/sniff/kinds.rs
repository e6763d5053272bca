//! Kinds of text that are no table, by what they begin with and what their lines look like.

use super::cells::{Class, class};

/// What is certain whatever else may be read out of the text.
pub(super) fn certain(text: &[u8]) -> Option<&'static str> {
    let start = text.trim_ascii_start();
    let begins =
        |with: &str| start.len() >= with.len() && start[..with.len()].eq_ignore_ascii_case(with.as_bytes());
    let lines: Vec<&[u8]> = start.split(|byte| *byte == b'\n').take(12).map(<[u8]>::trim_ascii_end).collect();
    let first = lines.first().copied().unwrap_or_default();
    if ["<!doctype html", "<html", "<head", "<body", "<table", "<div", "<script", "<meta"]
        .iter()
        .any(|it| begins(it))
    {
        Some("an HTML page")
    } else if begins("<?xml") || (first.starts_with(b"<") && is_element(first)) || begins("<!--") {
        Some("XML")
    } else if begins("#!") {
        Some("a program's source code")
    } else if begins("{\\rtf") {
        Some("an RTF document")
    } else if begins("begin:vc") || begins("-----begin ") {
        Some("a card, a calendar or a certificate")
    } else if begins("---") && first == b"---" && lines.iter().skip(1).any(|line| is_pair(line, b':')) {
        Some("YAML")
    } else if start.starts_with(b"\x1e") {
        Some("a JSON text sequence")
    } else if begins("#version:") || begins("#software:") || begins("#fields:") {
        Some("a log in the W3C's extended format")
    } else if is_mail(&lines) {
        Some("an e-mail")
    } else if first.starts_with(b"[")
        && first.ends_with(b"]")
        && !first.contains(&b',')
        && lines.iter().skip(1).any(|line| is_pair(line, b'='))
    {
        Some("an INI file")
    } else {
        None
    }
}

/// What the text seems to be if no table can be read out of it.
pub(super) fn likely(text: &[u8]) -> &'static str {
    let lines: Vec<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .take(200)
        .map(<[u8]>::trim_ascii_end)
        .filter(|line| !line.is_empty())
        .collect();
    let most = |test: &dyn Fn(&[u8]) -> bool| {
        lines.len() >= 2 && lines.iter().filter(|line| test(line)).count() * 4 >= lines.len() * 3
    };
    if lines.len() == 1 {
        "a single line of text"
    } else if is_log(text) {
        "a log"
    } else if most(&|line| {
        is_pair(line.trim_ascii_start(), b':') || line.trim_ascii_start().starts_with(b"- ")
    }) {
        "YAML"
    } else if most(&|line| is_pair(line, b'=') || line.starts_with(b"[") || line.starts_with(b"#")) {
        "an INI file"
    } else if most(&|line| {
        [&b";"[..], b"{", b"}", b":", b")"].iter().any(|end| line.ends_with(end))
            || [&b"import "[..], b"#include", b"//", b"def ", b"    "]
                .iter()
                .any(|begin| line.starts_with(begin))
    }) {
        "source code"
    } else {
        "free text"
    }
}

/// Whether every line begins with a time and goes on with text.
pub(super) fn is_log(text: &[u8]) -> bool {
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .take(200)
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .peekable();
    let begins_with_time = |line: &[u8]| {
        let line = line.strip_prefix(b"[").unwrap_or(line);
        let mut words = line.splitn(2, |byte| matches!(byte, b' ' | b'\t' | b']'));
        let is_time = words.next().is_some_and(|word| class(word) == Class::Time);
        is_time && words.next().is_some_and(|rest| rest.iter().any(u8::is_ascii_alphabetic))
    };
    lines.peek().is_some() && lines.all(begins_with_time)
}

/// Whether the line is `name` `sign` value.
fn is_pair(line: &[u8], sign: u8) -> bool {
    let Some(at) = line.iter().position(|byte| *byte == sign) else { return false };
    let name = line[..at].trim_ascii_end();
    let value = line.get(at + 1);
    !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' '))
        && (sign != b':' || value.is_none_or(|byte| *byte == b' '))
}

fn is_element(line: &[u8]) -> bool {
    let name = line[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-'));
    name.count() > 0 && line.contains(&b'>')
}

fn is_mail(lines: &[&[u8]]) -> bool {
    const NAMES: [&str; 9] = [
        "received:",
        "return-path:",
        "delivered-to:",
        "message-id:",
        "mime-version:",
        "from:",
        "to:",
        "subject:",
        "date:",
    ];
    let has = |line: &[u8]| {
        NAMES
            .iter()
            .any(|name| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name.as_bytes()))
    };
    lines.first().is_some_and(|line| has(line)) && lines.iter().filter(|line| has(line)).count() >= 2
}
