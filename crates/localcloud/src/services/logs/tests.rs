//! What a reader of logs may rely on.

use super::*;

fn logs(folder: Option<PathBuf>) -> Logs {
    Logs::new(Clock::starting_at(Timestamp::UNIX_EPOCH), folder)
}

#[tokio::test(start_paused = true)]
async fn the_last_lines_of_a_task_are_read_back_over_the_wire() {
    let logs = logs(None);
    let stream = logs.stream("/tidemill/worker", "worker/worker/abc");
    for line in 1..=5 {
        stream.push(&format!("line {line}"));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    let input =
        json!({ "logGroupName": "/tidemill/worker", "logStreamName": "worker/worker/abc", "limit": 2 });
    let answer = logs.call("GetLogEvents", input).await.unwrap();
    assert_eq!(answer["events"][0], json!({ "timestamp": 3000, "message": "line 4", "ingestionTime": 3000 }));
    assert_eq!(answer["events"][1]["message"], "line 5");
    let back = json!({
        "logGroupName": "/tidemill/worker", "logStreamName": "worker/worker/abc", "limit": 2,
        "nextToken": answer["nextBackwardToken"],
    });
    let answer = logs.call("GetLogEvents", back).await.unwrap();
    assert_eq!(answer["events"][1]["message"], "line 3");
    let forward = json!({
        "logGroupName": "/tidemill/worker", "logStreamName": "worker/worker/abc",
        "nextToken": answer["nextForwardToken"],
    });
    let answer = logs.call("GetLogEvents", forward).await.unwrap();
    assert_eq!(answer["events"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn groups_are_found_by_how_their_names_begin() {
    let logs = logs(None);
    for group in ["/tidemill/stops", "/tidemill/worker", "/other/worker"] {
        logs.stream(group, "s").push("a line");
    }
    for (prefix, found) in [("/tidemill/", 2), ("/tidemill/worker", 1), ("worker", 0)] {
        let answer = logs.call("DescribeLogGroups", json!({ "logGroupNamePrefix": prefix })).await.unwrap();
        assert_eq!(answer["logGroups"].as_array().unwrap().len(), found, "{prefix}");
    }
    let all = logs.call("DescribeLogGroups", json!({})).await.unwrap();
    assert_eq!(all["logGroups"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_chatty_stream_forgets_its_oldest_lines_and_counts_them() {
    let stream = logs(None).stream("g", "s");
    for line in 0..KEPT_LINES + 3 {
        stream.push(&line.to_string());
    }
    assert_eq!(stream.forgotten(), 3);
    assert_eq!(stream.lines()[0].text, "3");
    assert_eq!(stream.tail(1)[0].text, (KEPT_LINES + 2).to_string());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_group_or_stream_is_said_as_aws_says_it() {
    let logs = logs(None);
    let missing = json!({ "logGroupName": "g", "logStreamName": "s" });
    let error = logs.call("GetLogEvents", missing.clone()).await.unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
    logs.create_group("g");
    let error = logs.call("GetLogEvents", missing).await.unwrap_err();
    assert!(error.message.contains("log stream"), "{error}");
    let streams = logs.call("DescribeLogStreams", json!({ "logGroupName": "g" })).await.unwrap();
    assert_eq!(streams, json!({ "logStreams": [] }));
}

#[tokio::test(start_paused = true)]
async fn with_a_folder_every_line_is_also_in_a_file_inside_it() {
    let folder = std::env::temp_dir().join(format!("tidemill-logs-{}", std::process::id()));
    let stream = logs(Some(folder.clone())).stream("/a/../b", "../../etc/passwd");
    stream.push("hello\nworld");
    let group = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(&group).unwrap().next().unwrap().unwrap().path();
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "1970-01-01T00:00:00Z hello\n1970-01-01T00:00:00Z world\n"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

fn found(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn lines_are_found_over_all_streams_by_time_and_in_pages() {
    let logs = logs(None);
    let streams = ["worker/worker/a", "worker/worker/b", "sweep/worker/c"].map(|name| logs.stream("g", name));
    for line in 0..4 {
        for (n, stream) in streams.iter().enumerate() {
            stream.push(&format!("job {line} of {n}"));
        }
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    let ask = async |more: Value| {
        let mut input = json!({ "logGroupName": "g" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        logs.call("FilterLogEvents", input).await
    };
    let answer = ask(json!({ "filterPattern": "\"job 2\"" })).await.unwrap();
    assert_eq!(found(&answer), ["job 2 of 2", "job 2 of 0", "job 2 of 1"], "sweep comes before worker");
    assert_eq!(answer["events"][1]["logStreamName"], "worker/worker/a");
    assert_eq!(answer["events"][1]["timestamp"], 2_000);
    assert!(answer["nextToken"].is_null());
    let named =
        ask(json!({ "logStreamNames": ["worker/worker/b"], "startTime": 1_000, "endTime": 2_000 })).await;
    assert_eq!(found(&named.unwrap()), ["job 1 of 1", "job 2 of 1"], "both ends are included");

    let (mut pages, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut more = json!({ "logStreamNamePrefix": "worker/", "limit": 3 });
        if !token.is_null() {
            more["nextToken"] = token;
        }
        let answer = ask(more).await.unwrap();
        pages.push(found(&answer).len());
        token = answer["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(pages, [3, 3, 2]);

    for (wrong, code) in [
        (json!({ "logStreamNames": ["nowhere"] }), "ResourceNotFoundException"),
        (
            json!({ "logStreamNames": ["worker/worker/a"], "logStreamNamePrefix": "w" }),
            "InvalidParameterException",
        ),
        (json!({ "nextToken": "f/1" }), "InvalidParameterException"),
        (json!({ "limit": 0 }), "InvalidParameterException"),
        (json!({ "filterPattern": "{ $.a = 1 }" }), "InvalidParameterException"),
    ] {
        assert_eq!(ask(wrong.clone()).await.unwrap_err().code, code, "{wrong}");
    }
}
