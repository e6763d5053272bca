//! The rate at which mails are sent, against the limit above which SNS suspends a subscription.

use aws::{Clients, mail::Mailer};
use domain::mail::Mail;
use futures::future::join_all;
use tests::TestEnv;

#[test]
fn sixty_mails_at_once_from_two_senders_all_arrive() {
    TestEnv::plan(61).run(async |env| {
        let clients = Clients::new(&env.cloud().sdk_config());
        let topic = &env.cloud().outputs()["MailTopic"];
        let senders = [Mailer::new(&clients, topic), Mailer::new(&clients, topic)];
        let mail = Mail { subject: "s".into(), body: "b".into(), summary: "b".into(), steps: Vec::new() };
        let sent = join_all((0..60).map(|n| senders[n % 2].send(&mail))).await;
        assert!(sent.iter().all(Result::is_ok));
        assert_eq!(env.mails().len(), 60);
    });
}
