//! Files that AWS writes, each in several variants.

use domain::pipelines::{Delimited, Header, Preset};

use super::*;

/// A time, so that texts below stay short.
const TIME: &str = "2026-03-05T08:00:20.356787Z";

fn of(preset: Preset) -> Options {
    Options { preset: Some(preset), ..Options::default() }
}

fn named(preset: Preset, names: &[&str]) -> Options {
    let header = Some(Header::Names(names.iter().map(|name| (*name).to_owned()).collect()));
    Options { table: Delimited { header, ..Delimited::default() }, ..of(preset) }
}

/// The fields of the only record, as `name=value`.
async fn fields(text: &str, options: &Options) -> Vec<String> {
    let (_, rows) = read(text.as_bytes(), options).await.unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let record = row.content.as_ref().unwrap();
    record
        .iter()
        .map(|(name, value)| {
            let mut json = Vec::new();
            domain::record::write_json(value, &mut json).unwrap();
            format!("{name}={}", String::from_utf8(json).unwrap())
        })
        .collect()
}

async fn refused(text: &str, options: &Options) -> (Reason, String) {
    let bad = bad(check(arriving(text.as_bytes(), 50), options, Tolerance::None).await);
    (bad.reason, bad.message)
}

/// A line of an ALB with this number of fields.
fn alb(fields: usize) -> String {
    let all = [
        "h2",
        TIME,
        "app/lb/1",
        "192.0.2.1:50001",
        "-",
        "0.001",
        "-1",
        "0.000",
        "200",
        "-",
        "100",
        "0200",
        "\"GET https://example.org:443/?q=a b HTTP/2.0\"",
        "\"Agent/5.0 (a; b) \"beta\"x\"",
        "-",
        "TLSv1.2",
        "-",
        "\"Root=1-1\"",
        "\"example.org\"",
        "\"-\"",
        "0",
        TIME,
        "\"forward\"",
        "\"-\"",
        "\"-\"",
        "\"10.0.0.1:443\"",
        "\"200\"",
        "\"-\"",
        "\"-\"",
        "TID_1",
        "-",
        "-",
        "-",
        "192.0.2.9",
        "more",
    ];
    all[..fields].join(" ") + "\n"
}

#[tokio::test]
async fn load_balancers_fields_have_names_however_many_there_are() {
    let found = fields(&alb(33), &of(Preset::Alb)).await;
    assert_eq!(found.len(), 33);
    for expected in [
        "type=\"h2\"",
        "client:port=\"192.0.2.1:50001\"",
        "target:port=null",
        "target_processing_time=-1",
        "elb_status_code=200",
        "target_status_code=null",
        "request=\"GET https://example.org:443/?q=a b HTTP/2.0\"",
        "domain_name=\"example.org\"",
        "chosen_cert_arn=null",
        "target:port_list=\"10.0.0.1:443\"",
        "conn_trace_id=\"TID_1\"",
        "request_transform_status=null",
    ] {
        assert!(found.iter().any(|field| field == expected), "{expected}: {found:?}");
    }
    // What AWS appended, and what an old file does not have yet.
    let found = fields(&alb(35), &of(Preset::Alb)).await;
    assert_eq!(found[33..], ["column_34=\"192.0.2.9\"", "column_35=\"more\""]);
    assert_eq!(fields(&alb(18), &of(Preset::Alb)).await.len(), 18);
    assert_eq!(refused(&alb(17), &of(Preset::Alb)).await.0, Reason::NoTable);
    // One file has rows of one width.
    let (reason, message) = refused(&(alb(33) + &alb(29)), &of(Preset::Alb)).await;
    assert_eq!((reason, message.contains("line 2")), (Reason::RaggedRow, true), "{message}");

    let nlb = format!(
        "tls 2.0 {TIME} net/lb/1 abc 192.0.2.1:51341 10.0.0.1:443 5 2 98 246 - arn:aws:acm:1 - ECDHE tlsv12 - \
         example.org h2 h2 \"h2\",\"http/1.1\" {TIME}\n"
    );
    let found = fields(&nlb, &of(Preset::Nlb)).await;
    assert_eq!((found.len(), &*found[7], &*found[11]), (22, "connection_time=5", "incoming_tls_alert=null"));
    assert_eq!(found[20], "alpn_client_preference_list=\"h2\\\",\\\"http/1.1\"");
    let elb = format!(
        "{TIME} lb 192.0.2.1:1 10.0.0.1:80 0.00007 0.001 0.00005 200 200 0 29 \"GET / HTTP/1.1\" \"curl\" - -\n"
    );
    let found = fields(&elb, &of(Preset::Elb)).await;
    assert_eq!(
        (&*found[4], &*found[12], found.len()),
        ("request_processing_time=0.00007", "user_agent=\"curl\"", 15)
    );
}

#[tokio::test]
async fn a_row_of_a_log_that_cannot_be_read_takes_no_other_with_it() {
    let open = alb(30).replace("\"Root=1-1\"", "\"Root=1-1");
    let text = alb(30) + &open + &alb(30) + "cut off\n" + &alb(30);
    let (checked, rows) = read(text.as_bytes(), &of(Preset::Alb)).await.unwrap();
    assert_eq!((checked.rows, checked.rejected), (5, 2));
    assert_eq!(
        rows.iter().map(|row| row.content.is_ok()).collect::<Vec<_>>(),
        [true, false, true, false, true]
    );
    assert!(rows[1].content.as_ref().is_err_and(|reject| reject.reason == Reason::RaggedRow));
}

#[tokio::test]
async fn access_logs_of_s3_have_a_time_in_brackets() {
    let owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let line = |key: &str, agent: &str| {
        format!(
            "{owner} bucket [06/Feb/2026:00:00:38 +0000] 192.0.2.3 - 3E57 REST.GET.OBJECT {key} \"GET /{key} HTTP/1.1\" \
             206 - 113 200 7 5 \"-\" \"{agent}\" - host= SigV4 ECDHE AuthHeader bucket.s3.amazonaws.com TLSv1.2 - Yes\n"
        )
    };
    let found = fields(&line("a%2520b.txt", "S3Console/0.4"), &of(Preset::S3AccessLogs)).await;
    assert_eq!(found.len(), 26);
    assert_eq!(found[2], "time=\"06/Feb/2026:00:00:38 +0000\"");
    assert_eq!((&*found[4], &*found[7]), ("requester=null", "key=\"a%2520b.txt\""));
    assert_eq!(
        (&*found[9], &*found[10], &*found[12]),
        ("http_status=206", "error_code=null", "object_size=200")
    );
    assert_eq!((&*found[15], &*found[25]), ("referer=null", "acl_required=\"Yes\""));
    // S3 does not escape quotes.
    let found = fields(&line("k", "a \"b\"c] [d"), &of(Preset::S3AccessLogs)).await;
    assert_eq!(found[16], "user_agent=\"a \\\"b\\\"c] [d\"");
    let old: Vec<String> = line("k", "curl").split(' ').take(21).map(str::to_owned).collect();
    assert_eq!(fields(&(old.join(" ") + "\n"), &of(Preset::S3AccessLogs)).await.len(), 18);
    for size in [1, 2, 3, 7] {
        let text = line("k", "a]\"b [c") + "owner bucket [open 1 2\n";
        let (checked, _) = read_in(text.as_bytes(), &of(Preset::S3AccessLogs), size).await.unwrap();
        assert_eq!((checked.rows, checked.rejected), (2, 1), "{size}");
    }
}

#[tokio::test]
async fn cloudfronts_fields_are_those_of_its_own_line() {
    let text = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs(User-Agent) sc-status\n\
                2026-03-05\t21:02:31\tAAA1\t392\t192.0.2.100\tMozilla/5.0%20(a)\t200\n";
    assert_eq!(
        lines(text.as_bytes(), &of(Preset::Cloudfront)).await,
        [
            r#"{"date":"2026-03-05","time":"21:02:31","x-edge-location":"AAA1","sc-bytes":392,"c-ip":"192.0.2.100","cs(User-Agent)":"Mozilla/5.0%20(a)","sc-status":200}"#
        ]
    );
    let other = "#Fields: sc-status date\n000\t2026-03-05\n-\t-\n";
    assert_eq!(
        lines(other.as_bytes(), &of(Preset::Cloudfront)).await,
        [r#"{"sc-status":0,"date":"2026-03-05"}"#, r#"{"sc-status":null,"date":null}"#]
    );
    // Joined files: the same fields again, and others.
    let again = text.to_owned() + text;
    assert_eq!(lines(again.as_bytes(), &of(Preset::Cloudfront)).await.len(), 2);
    for size in [1, 5, 64, 4_096] {
        let joined = arriving(&[text.as_bytes(), other.as_bytes()].concat(), size);
        let refused = bad(check(joined, &of(Preset::Cloudfront), Tolerance::Any).await);
        assert_eq!((refused.reason, refused.line()), (Reason::TwoTables, Some(4)), "{}", refused.message);
    }
    assert_eq!(refused("2026-03-05\t21:02:31\n", &of(Preset::Cloudfront)).await.0, Reason::NoHeader);
    assert_eq!(
        refused("#Fields: a b a\n1\t2\t3\n", &of(Preset::Cloudfront)).await.0,
        Reason::DuplicateHeader
    );
    assert!(lines(b"#Version: 1.0\n#Fields: a b\n", &of(Preset::Cloudfront)).await.is_empty());
}

#[tokio::test]
async fn flow_logs_name_their_fields_in_any_order() {
    let text = "version account-id interface-id srcaddr dstport bytes start action log-status\n\
                2 011122223333 eni-1 10.0.0.1 443 840 1700000000 ACCEPT OK\n\
                2 111122223333 eni-1 - - - 1700000000 - NODATA\n";
    assert_eq!(
        lines(text.as_bytes(), &of(Preset::VpcFlowLogs)).await,
        [
            r#"{"version":2,"account-id":"011122223333","interface-id":"eni-1","srcaddr":"10.0.0.1","dstport":443,"bytes":840,"start":1700000000,"action":"ACCEPT","log-status":"OK"}"#,
            r#"{"version":2,"account-id":"111122223333","interface-id":"eni-1","srcaddr":null,"dstport":null,"bytes":null,"start":1700000000,"action":null,"log-status":"NODATA"}"#,
        ]
    );
    let text = "bytes vpc-id\n5 vpc-1\n";
    assert_eq!(lines(text.as_bytes(), &of(Preset::VpcFlowLogs)).await, [r#"{"bytes":5,"vpc-id":"vpc-1"}"#]);
    let (reason, message) = refused("bytes vpc-id\nmany vpc-1\n", &of(Preset::VpcFlowLogs)).await;
    assert_eq!(reason, Reason::WrongType, "{message}");
}

#[tokio::test]
async fn tables_of_aws_are_read_as_they_are_written() {
    let inventory = "\"my-bucket\",\"2024\",\"120\",\"true\"\n\"my-bucket\",\"a%2Fb\",\"\",\"false\"\n";
    let options = named(Preset::S3Inventory, &["Bucket", "Key", "Size", "IsLatest"]);
    assert_eq!(
        lines(inventory.as_bytes(), &options).await,
        [
            r#"{"Bucket":"my-bucket","Key":"2024","Size":120,"IsLatest":true}"#,
            r#"{"Bucket":"my-bucket","Key":"a%2Fb","Size":null,"IsLatest":false}"#,
        ]
    );
    assert_eq!(
        lines(b"\"id\",\"x\"\n\"1\",\"1.5\"\n\"2\",\"NaN\"\n\"3\",\n", &of(Preset::Athena)).await,
        [r#"{"id":1,"x":1.5}"#, r#"{"id":2,"x":null}"#, r#"{"id":3,"x":null}"#]
    );
    // All columns are text, and so nothing else would prove the header.
    assert_eq!(lines(b"\"a\",\"b\"\n\"a\",\"c\"\n", &of(Preset::Athena)).await, [r#"{"a":"a","b":"c"}"#]);
    assert_eq!(
        lines(
            b"identity/LineItemId,bill/PayerAccountId,lineItem/UnblendedCost\n77,111122223333,0.10\n",
            &of(Preset::Cur)
        )
        .await,
        [
            r#"{"identity/LineItemId":"77","bill/PayerAccountId":"111122223333","lineItem/UnblendedCost":0.10}"#
        ]
    );
    let unloaded = named(Preset::RedshiftUnload, &["id", "name", "n"]);
    assert_eq!(
        lines(b"1|ab\\|cd|10\n2|x|20\n3|y|30\n", &unloaded).await,
        [
            r#"{"id":1,"name":"ab|cd","n":10}"#,
            r#"{"id":2,"name":"x","n":20}"#,
            r#"{"id":3,"name":"y","n":30}"#
        ]
    );
    assert_eq!(lines(b"1|one|5\n", &unloaded).await, [r#"{"id":1,"name":"one","n":5}"#]);
    let trail = br#"{"Records":[{"eventVersion":"1.08","eventName":"GetObject"},{"eventName":"PutObject"}]}"#;
    assert_eq!(
        lines(trail, &of(Preset::Cloudtrail)).await,
        [r#"{"eventVersion":"1.08","eventName":"GetObject"}"#, r#"{"eventName":"PutObject"}"#]
    );
}

#[tokio::test]
async fn a_refused_log_is_recognised() {
    let owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    for (text, preset) in [
        (alb(30).repeat(3), Preset::Alb),
        ("#Version: 1.0\n#Fields: date time x-edge-location\na\tb\tc\n".to_owned(), Preset::Cloudfront),
        (
            format!("{owner} b [06/Feb/2026:00:00:38 +0000] 192.0.2.3 - \"GET / HTTP\" 1\n").repeat(2),
            Preset::S3AccessLogs,
        ),
        (
            format!("{TIME} lb 192.0.2.1:1 - 0.1 0.1 0.1 200 200 0 29 \"GET / HTTP/1.1\" \"curl\" - -\n")
                .repeat(2),
            Preset::Elb,
        ),
    ] {
        let (_, message) = refused(&text, &Options::default()).await;
        assert!(
            message.ends_with(&format!("put format = \"{preset}\" into the pipelines file")),
            "{message}"
        );
    }
    let (_, message) = refused("7001,bolt,0.25\n7002,nut,0.50\n", &Options::default()).await;
    assert!(!message.contains("looks like an"), "{message}");
}
