//! Mails of failed jobs with the worker's log lines, and grouped mails of many similar failures.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod alerts;
mod chat;
mod failures;
mod sender_rate;
mod single;

use std::time::Duration;

use jiff::Timestamp;
use tests::TestEnv;

/// A row that does not fit its header.
const RAGGED: &str = "id,name\n1,one\n2,two,too many\n3,three\n";

/// Lets time pass.
async fn minutes(count: u64) {
    tokio::time::sleep(Duration::from_mins(count)).await;
}

/// The subject and text of each mail so far, as a person sees them.
fn texts(env: &TestEnv) -> Vec<String> {
    env.mails().into_iter().map(|mail| format!("{}\n\n{}", mail.subject, mail.body)).collect()
}

/// How many failures the mails report: in mails of their own, and in grouped mails.
fn mailed_failures(env: &TestEnv) -> (u64, u64) {
    let (mut single, mut grouped) = (0, 0);
    for mail in env.mails() {
        if mail.subject.starts_with("[tidemill] failed: ") {
            single += 1;
        } else if let Some(new) = mail.body.lines().find_map(|line| line.strip_prefix("New        ")) {
            grouped += new.split(' ').next().unwrap().replace(',', "").parse::<u64>().unwrap();
        }
    }
    (single, grouped)
}

/// The most mails within one second.
fn most_in_a_second(env: &TestEnv) -> usize {
    let sent: Vec<Timestamp> = env.mails().iter().map(|mail| mail.sent_at).collect();
    let within =
        |at: &Timestamp| sent.iter().filter(|it| *it >= at && it.duration_since(*at).as_secs() < 1).count();
    sent.iter().map(within).max().unwrap_or(0)
}
