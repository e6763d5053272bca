//! Our own sender of mails against the limit that SNS suspends addresses by.

use aws::{Clients, mail::Mailer};
use clock::Clock;
use domain::mail::Mail;
use futures::future::join_all;

use crate::{connector::sdk_config, frontend::tests::frontend, wire::OWNER_KEY};

#[tokio::test(start_paused = true)]
async fn a_storm_of_mails_from_two_senders_arrives_whole() {
    let frontend = frontend();
    let sns = frontend.services().sns.clone();
    let topic = sns.create_topic("told").unwrap();
    sns.subscribe(&topic, "email", "you@example.com").unwrap();
    let clients = Clients::new(&sdk_config(&frontend, Clock::system(), OWNER_KEY));
    let senders = [Mailer::new(&clients, &topic), Mailer::new(&clients, &topic)];
    let mail = Mail { subject: "s".into(), body: "b".into() };
    let sent = join_all((0..60).map(|n| senders[n % 2].send(&mail))).await;
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(sns.mails().len(), 60);
}
