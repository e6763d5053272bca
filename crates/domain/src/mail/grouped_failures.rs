//! The mails of a burst of failures: how many failed for one reason, and that no more fail.

use std::{fmt::Write, time::Duration};

use super::{
    format::{Draft, LINE_CHARS, Mail, ascii},
    links,
};
use crate::{
    alerts::{GroupedMail, QUIET, Source},
    text::{self, escaped, grouped, quoted, shortened},
};

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pipeline(name) => write!(f, "pipeline {name}"),
            Self::Sweep => f.write_str("the sweep"),
            Self::Command(name) => write!(f, "the command {name}"),
            Self::Various => f.write_str("various pipelines"),
        }
    }
}

fn minutes(time: Duration) -> String {
    text::count(time.as_secs() / 60, "minute")
}

/// The mail about many failures at once, or about the end of a burst.
#[must_use]
pub fn grouped_failures(mail: &GroupedMail) -> Mail {
    let code = shortened(&ascii(mail.code.as_str()), 30);
    let source = shortened(&ascii(&mail.source.to_string()), 40);
    let subject = if mail.over {
        format!("[tidemill] quiet: {source} ({code}), {} failed", grouped(mail.total))
    } else {
        format!("[tidemill] {} failed: {source} ({code})", grouped(mail.count))
    };
    let mut out = Draft::default();
    // Writing to memory cannot fail.
    let _ = write_body(mail, &mut out);
    out.mail(&subject)
}

fn write_body(mail: &GroupedMail, out: &mut Draft) -> std::fmt::Result {
    let line = |text: &str| shortened(&escaped(text), LINE_CHARS);
    let GroupedMail { count, total, since, last, .. } = *mail;
    let (source, code) = (line(&mail.source.to_string()), line(mail.code.as_str()));
    let things = if is_of_jobs(&mail.source) { "object" } else { "run" };
    let several = |number| text::count(number, things);
    if mail.over {
        let quiet = minutes(QUIET);
        writeln!(out, "QUIET: {source}: no failure with {code} for {quiet}, since {last:.0}.")?;
        writeln!(out, "Either the problem is fixed, or no more files have arrived.")?;
    } else {
        writeln!(out, "FAILED: {source}: {} with {code}.", several(count))?;
    }
    write_next(mail, out)?;
    writeln!(out)?;
    if count > 0 {
        writeln!(out, "New        {} that were not in any mail before", several(count))?;
    }
    writeln!(out, "Total      {}", several(total))?;
    writeln!(out, "First      {since:.0}")?;
    writeln!(out, "Last       {last:.0}")?;
    writeln!(out, "Reason     {code}")?;
    if !mail.examples.is_empty() {
        writeln!(out, "\nFailed")?;
        for example in &mail.examples {
            writeln!(out, "  {}\n    {}", line(&example.what), line(&example.words))?;
        }
        let more = count.saturating_sub(mail.examples.len() as u64);
        if more > 0 {
            writeln!(out, "  and {} more", grouped(more))?;
        }
    }
    if is_of_jobs(&mail.source) {
        writeln!(out, "\nMore information")?;
        writeln!(out, "  timeline of the last: {}", escaped(&links::explain(&mail.latest)))?;
        writeln!(out, "  all jobs: tidemill jobs")?;
    }
    Ok(())
}

fn write_next(mail: &GroupedMail, out: &mut Draft) -> std::fmt::Result {
    writeln!(out, "\nWhat happens next")?;
    if is_of_jobs(&mail.source) {
        writeln!(out, "  These jobs will not be retried automatically. Each is among the dead letters.")?;
    } else {
        writeln!(
            out,
            "  These runs will not be retried. The next sweep, within the hour, does what a failed sweep left undone; a"
        )?;
        writeln!(out, "  command runs again at its next scheduled time.")?;
    }
    if !mail.over {
        let next = minutes(mail.next);
        writeln!(
            out,
            "  If more fail for this reason, the next mail comes in {next} at the earliest. A last mail comes when nothing \
             has\n  failed for {}.",
            minutes(QUIET)
        )?;
    }
    out.end_summary();
    if is_of_jobs(&mail.source) {
        let verdict = match mail.source {
            Source::Various => None,
            _ => Some(format!(" --verdict {}", quoted(mail.code.as_str()))),
        };
        // Made of plain characters only.
        let prefix = Some(&mail.prefix).filter(|prefix| !prefix.is_empty());
        let prefix = prefix.map(|prefix| format!(" --prefix {prefix}"));
        let replay = match [verdict, prefix].into_iter().flatten().collect::<String>().as_str() {
            "" => "tidemill replay --dead".to_owned(),
            which => format!("tidemill replay{which} --since {:.0}", mail.since),
        };
        out.what_to_do(["Fix the cause, then replay the jobs:".to_owned(), replay]);
    }
    Ok(())
}

fn is_of_jobs(source: &Source) -> bool {
    matches!(source, Source::Pipeline(_) | Source::Various)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alerts::Example, job::ReasonCode, verdict::Kind};

    fn burst(source: Source) -> GroupedMail {
        let at = |text: &str| text.parse().unwrap();
        GroupedMail {
            source,
            code: Kind::WorkerLost.into(),
            count: 1_200,
            counted_since: at("2026-03-14T09:20:00Z"),
            total: 1_203,
            since: at("2026-03-14T09:10:00Z"),
            last: at("2026-03-14T09:24:59Z"),
            examples: vec![Example { id: "1".into(), what: "s3://b/a b".into(), words: "gone".into() }],
            latest: "s3://b/$(x)".into(),
            prefix: "uploads/".into(),
            over: false,
            next: Duration::from_mins(60),
        }
    }

    #[test]
    fn sns_takes_the_subject_and_no_line_can_be_faked_whatever_the_names() {
        let evil = "x\nTotal      9\r\u{2028}\u{202e}\u{1b}[2J'$(rm)".repeat(30);
        for over in [false, true] {
            let mail = grouped_failures(&GroupedMail {
                code: ReasonCode::Other(evil.as_str().into()),
                examples: vec![Example { id: evil.clone(), what: evil.clone(), words: evil.clone() }; 10],
                latest: evil.clone(),
                over,
                ..burst(Source::Pipeline(evil.clone()))
            });
            assert!(mail.subject.len() <= 99 && mail.subject.bytes().all(|b| (0x20..0x7f).contains(&b)));
            assert!(mail.body.chars().all(|c| c == '\n' || !c.is_control()), "{}", mail.body);
            assert_eq!(mail.body.lines().filter(|line| line.starts_with("Total")).count(), 1);
        }
    }

    #[test]
    fn the_command_names_what_is_known_of_them() {
        let command = |mail: &GroupedMail| {
            let body = super::grouped_failures(mail).body;
            body.lines().find(|line| line.starts_with("  tidemill replay")).map(str::to_owned)
        };
        let pipeline = burst(Source::Pipeline("p".into()));
        let said = "  tidemill replay --verdict worker_lost --prefix uploads/ --since 2026-03-14T09:10:00Z";
        assert_eq!(command(&pipeline).as_deref(), Some(said));
        let various = GroupedMail { prefix: String::new(), ..burst(Source::Various) };
        assert_eq!(command(&various).as_deref(), Some("  tidemill replay --dead"));
        assert_eq!(command(&burst(Source::Sweep)), None);
        let mail = super::grouped_failures(&burst(Source::Command("nightly".into())));
        assert_eq!(mail.subject, "[tidemill] 1,200 failed: the command nightly (worker_lost)");
        assert!(mail.body.contains("the next mail comes in 60 minutes at the earliest"), "{}", mail.body);
    }
}
