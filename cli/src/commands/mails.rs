//! `tidemill mails`: the mails that a local cloud has sent. On AWS they are in people's mailboxes.

use anyhow::Context;
use serde_json::Value;

use crate::{
    args::MailsArguments,
    endpoint,
    output::{columns, one_line, print, print_line, wrapped},
};

/// Lists them, or prints one.
pub(crate) async fn run(arguments: &MailsArguments) -> anyhow::Result<u8> {
    let endpoint = aws::endpoint().context(
        "only a local cloud keeps its mails, and AWS_ENDPOINT_URL names none; run eval \"$(tidemill env)\" first",
    )?;
    let mails = endpoint::get(&endpoint, localcloud::MAILS_PATH).await?;
    let mails: Vec<Value> = serde_json::from_str(&mails)
        .with_context(|| format!("{} is not the endpoint of a local cloud", one_line(&endpoint)))?;
    let numbered = || mails.iter().zip(1..);
    match arguments.number {
        None => {
            for (mail, number) in numbered() {
                if arguments.json {
                    print_line(&with_number(mail, number))?
                } else {
                    print(&in_list(mail, number))?
                }
            }
            if mails.is_empty() && !arguments.json {
                eprintln!("the local cloud has sent no mail since it started");
            }
        }
        Some(wanted) => {
            let (mail, number) = numbered().find(|(_, number)| *number == wanted).with_context(|| {
                format!(
                    "there is no mail {wanted}; the local cloud has sent {} since it started",
                    mails.len()
                )
            })?;
            if arguments.json { print_line(&with_number(mail, number))? } else { print(&whole(mail))? }
        }
    }
    Ok(0)
}

fn text<'m>(mail: &'m Value, name: &str) -> &'m str {
    mail[name].as_str().unwrap_or_default()
}

fn with_number(mail: &Value, number: u64) -> Value {
    let mut mail = mail.clone();
    mail["number"] = number.into();
    mail
}

fn in_list(mail: &Value, number: u64) -> String {
    format!("{number:>3}  {}  {}\n", text(mail, "sent_at"), one_line(text(mail, "subject")))
}

fn whole(mail: &Value) -> String {
    let width = columns().unwrap_or(usize::MAX);
    let lines = text(mail, "body").lines().map(|line| wrapped("", &one_line(line), width));
    let [to, subject] = ["to", "subject"].map(|name| one_line(text(mail, name)));
    format!("To: {to}\nDate: {}\nSubject: {subject}\n\n{}", text(mail, "sent_at"), lines.collect::<String>())
}
