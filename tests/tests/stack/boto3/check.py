"""What boto3 expects of AWS, asked of the local cloud. Run by boto3.rs, which says what is deployed."""

import hashlib
import io
import json
import sys
import time
import traceback
import urllib.error
import urllib.request
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Key
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

known = json.loads(sys.argv[1])
out = known["outputs"]
# A client that repeats what was refused would hide what the first answer was.
once = Config(retries={"total_max_attempts": 1})


def client(service, **more):
    return boto3.client(service, config=once, **more)


def refused(call, **arguments):
    """The code and status that a call is refused with."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call.__name__} was not refused: {answer}")


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def until(what, look, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


ODD_KEYS = [
    "odd/with space.csv",
    "odd/plus+plus & per%20cent.csv",
    "odd/quote'\"<>.csv",
    "odd/line\nfeed\ttab.csv",
    "odd/ümläut/日本語 🦀.csv",
    "odd//double//slash/",
    "odd/q?x=1#y;z=~*(1)!",
    "odd/./dot/../dots",
]


def s3_objects_versions_and_conditions():
    s3, bucket = client("s3"), out["Bucket"]
    first = s3.put_object(Bucket=bucket, Key="a.csv", Body=b"one", Metadata={"origin": "tide"})
    equal(first["ETag"], '"%s"' % hashlib.md5(b"one").hexdigest())
    second = s3.put_object(Bucket=bucket, Key="a.csv", Body=b"two", ContentType="text/csv")
    got = s3.get_object(Bucket=bucket, Key="a.csv")
    equal((got["Body"].read(), got["ContentType"], got["VersionId"]), (b"two", "text/csv", second["VersionId"]))
    got = s3.get_object(Bucket=bucket, Key="a.csv", VersionId=first["VersionId"])
    equal((got["Body"].read(), got["Metadata"]), (b"one", {"origin": "tide"}))
    got = s3.get_object(Bucket=bucket, Key="a.csv", Range="bytes=1-")
    equal((got["Body"].read(), got["ContentRange"]), (b"wo", "bytes 1-2/3"))
    equal(s3.head_object(Bucket=bucket, Key="a.csv")["ContentLength"], 3)

    equal(refused(s3.get_object, Bucket=bucket, Key="a.csv", IfMatch=first["ETag"]), ("PreconditionFailed", 412))
    equal(refused(s3.get_object, Bucket=bucket, Key="a.csv", IfNoneMatch=second["ETag"]), ("304", 304))
    again = dict(Bucket=bucket, Key="a.csv", Body=b"three")
    equal(refused(s3.put_object, IfNoneMatch="*", **again), ("PreconditionFailed", 412))
    s3.put_object(IfMatch=second["ETag"], **again)
    equal(refused(s3.get_object, Bucket=bucket, Key="none"), ("NoSuchKey", 404))
    equal(refused(s3.head_object, Bucket=bucket, Key="none"), ("404", 404))
    equal(refused(s3.list_objects_v2, Bucket="nobodys"), ("NoSuchBucket", 404))
    equal(refused(s3.get_object, Bucket=bucket, Key="a.csv", Range="bytes=9-"), ("InvalidRange", 416))

    marker = s3.delete_object(Bucket=bucket, Key="a.csv")
    assert marker["DeleteMarker"]
    equal(refused(s3.get_object, Bucket=bucket, Key="a.csv"), ("NoSuchKey", 404))
    at_marker = dict(Bucket=bucket, Key="a.csv", VersionId=marker["VersionId"])
    equal(refused(s3.get_object, **at_marker), ("MethodNotAllowed", 405))
    listed = s3.list_object_versions(Bucket=bucket, Prefix="a.csv")
    equal((len(listed["Versions"]), len(listed["DeleteMarkers"])), (3, 1))
    assert listed["DeleteMarkers"][0]["IsLatest"]
    s3.delete_object(**at_marker)
    equal(s3.get_object(Bucket=bucket, Key="a.csv")["Body"].read(), b"three")


def s3_odd_keys_and_listings():
    s3, bucket = client("s3"), out["Bucket"]
    for key in ODD_KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        equal(s3.get_object(Bucket=bucket, Key=key)["Body"].read(), key.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="odd/", PaginationConfig={"PageSize": 3})
    equal([item["Key"] for page in pages for item in page["Contents"]], sorted(ODD_KEYS, key=str.encode))
    groups = s3.list_objects_v2(Bucket=bucket, Prefix="odd/", Delimiter="/")["CommonPrefixes"]
    equal([group["Prefix"] for group in groups], ["odd/./", "odd//", "odd/ümläut/"])
    removed = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD_KEYS]})
    equal(sorted(item["Key"] for item in removed["Deleted"]), sorted(ODD_KEYS))
    equal(s3.list_objects_v2(Bucket=bucket, Prefix="odd/")["KeyCount"], 0)
    equal(refused(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b""), ("KeyTooLongError", 400))


def s3_parts_copies_and_presigned_urls():
    s3, bucket = client("s3"), out["Bucket"]
    body = bytes(n % 251 for n in range(1 << 20)) * 12
    parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=parts)
    head = s3.head_object(Bucket=bucket, Key="big")
    equal(head["ContentLength"], len(body))
    assert head["ETag"].endswith('-3"'), head["ETag"]
    equal(hashlib.sha256(s3.get_object(Bucket=bucket, Key="big")["Body"].read()).digest(), hashlib.sha256(body).digest())
    s3.copy_object(Bucket=bucket, Key="copy of big", CopySource={"Bucket": bucket, "Key": "big"})
    equal(s3.head_object(Bucket=bucket, Key="copy of big")["ContentLength"], len(body))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="never")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="never", UploadId=upload, PartNumber=1, Body=b"x")
    equal(len(s3.list_parts(Bucket=bucket, Key="never", UploadId=upload)["Parts"]), 1)
    s3.abort_multipart_upload(Bucket=bucket, Key="never", UploadId=upload)
    equal(refused(s3.list_parts, Bucket=bucket, Key="never", UploadId=upload), ("NoSuchUpload", 404))

    key = "signed/ü +%.csv"
    signed = boto3.client("s3", config=Config(signature_version="s3v4"))
    url = signed.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
    put = urllib.request.Request(url, data=b"signed", method="PUT")
    equal(urllib.request.urlopen(put, timeout=10).status, 200)
    url = signed.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    equal(urllib.request.urlopen(url, timeout=10).read(), b"signed")
    try:
        urllib.request.urlopen(url[:-1] + ("0" if url[-1] != "0" else "1"), timeout=10)
        raise AssertionError("a wrong signature was taken")
    except urllib.error.HTTPError as error:
        equal(error.code, 403)
        assert b"SignatureDoesNotMatch" in error.read()
    stranger = client("s3", aws_access_key_id="AKIANOBODY", aws_secret_access_key="x")
    equal(refused(stranger.list_buckets), ("InvalidAccessKeyId", 403))
    equal([item["Name"] for item in s3.list_buckets()["Buckets"]], [bucket])


def sqs_messages_batches_and_attributes():
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="boto3", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    equal(sqs.get_queue_url(QueueName="boto3")["QueueUrl"], url)
    body = "ü <&> \"'\r\n\t🦀"
    attributes = {"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\0\1"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    equal(sent["MD5OfMessageBody"], hashlib.md5(body.encode()).hexdigest())
    got = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], WaitTimeSeconds=5)
    (message,) = got["Messages"]
    equal((message["Body"], message["MessageAttributes"]), (body, attributes))
    equal(message["Attributes"]["ApproximateReceiveCount"], "1")
    counts = dict(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])
    equal(list(sqs.get_queue_attributes(**counts)["Attributes"].values()), ["0", "1"])
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    entries = [{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "x", "DelaySeconds": 901}]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    equal([entry["Id"] for entry in sent["Successful"]], ["good"])
    equal([(entry["Id"], entry["SenderFault"]) for entry in sent["Failed"]], [("bad", True)])
    equal(refused(sqs.send_message_batch, QueueUrl=url, Entries=[entries[0]] * 2)[0], "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
    equal(refused(sqs.send_message_batch, QueueUrl=url, Entries=[])[0], "AWS.SimpleQueueService.EmptyBatchRequest")
    equal(refused(sqs.send_message, QueueUrl=url, MessageBody="\0")[0], "InvalidMessageContents")
    equal(refused(sqs.get_queue_url, QueueName="none"), ("AWS.SimpleQueueService.NonExistentQueue", 400))
    try:
        sqs.get_queue_url(QueueName="none")
    except sqs.exceptions.QueueDoesNotExist:
        pass
    sqs.delete_queue(QueueUrl=url)
    queue = out["UploadsQueue"]
    set_up = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    equal((set_up["VisibilityTimeout"], json.loads(set_up["RedrivePolicy"])["maxReceiveCount"]), ("180", 5))


def sns_mails_and_refusals():
    sns = client("sns")
    topic = out["MailTopic"]
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    equal((subscription["Protocol"], subscription["Endpoint"]), ("email", "ops@example.com"))
    assert sns.publish(TopicArn=topic, Subject="a job", Message="ü <&> done")["MessageId"]
    for subject in ["two\nlines", "ümläut", "x" * 101, ""]:
        equal(refused(sns.publish, TopicArn=topic, Subject=subject, Message="x"), ("InvalidParameter", 400))
    equal(refused(sns.publish, TopicArn=topic, Message=""), ("InvalidParameter", 400))
    equal(refused(sns.publish, TopicArn=topic + "-none", Message="x"), ("NotFound", 404))


def dynamodb_items_queries_and_transactions():
    dynamodb = client("dynamodb")
    table = boto3.resource("dynamodb", config=once).Table(out["RecordsTable"])
    equal((table.key_schema[0]["AttributeName"], table.table_status), ("_part", "ACTIVE"))
    exact = Decimal("12345678901234567890.123456789012345678")
    item = {"_part": "p", "_row": 1, "n": exact, "s": "ü", "l": [None, True, {"m": b"\0"}], "set": {"a", "b"}}
    table.put_item(Item=item)
    equal(table.get_item(Key={"_part": "p", "_row": 1}, ConsistentRead=True)["Item"], item)
    with table.batch_writer() as batch:
        for row in range(2, 60):
            batch.put_item(Item={"_part": "p", "_row": row})
    found = table.query(KeyConditionExpression=Key("_part").eq("p") & Key("_row").gt(50), ScanIndexForward=False)
    equal([int(item["_row"]) for item in found["Items"]], list(range(59, 50, -1)))
    page = table.query(KeyConditionExpression=Key("_part").eq("p"), Limit=10)
    equal((page["Count"], page["LastEvaluatedKey"]), (10, {"_part": "p", "_row": 10}))

    name = out["RecordsTable"]
    there = {"_part": {"S": "p"}, "_row": {"N": "1"}, "v": {"N": "2"}}
    once_only = dict(TableName=name, Item=there, ConditionExpression="attribute_not_exists(#p)", ExpressionAttributeNames={"#p": "_part"})
    equal(refused(dynamodb.put_item, **once_only), ("ConditionalCheckFailedException", 400))
    try:
        dynamodb.put_item(ReturnValuesOnConditionCheckFailure="ALL_OLD", **once_only)
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        equal(error.response["Item"]["s"], {"S": "ü"})
    new = {"Put": {"TableName": name, "Item": {"_part": {"S": "q"}, "_row": {"N": "1"}}}}
    try:
        dynamodb.transact_write_items(TransactItems=[new, {"Put": once_only}])
        raise AssertionError("the transaction was made")
    except dynamodb.exceptions.TransactionCanceledException as error:
        equal(error.response["Error"]["Code"], "TransactionCanceledException")
        equal([reason["Code"] for reason in error.response["CancellationReasons"]], ["None", "ConditionalCheckFailed"])
    assert "Item" not in table.get_item(Key={"_part": "q", "_row": 1})
    dynamodb.transact_write_items(TransactItems=[new], ClientRequestToken="token")
    dynamodb.transact_write_items(TransactItems=[new], ClientRequestToken="token")
    assert "Item" in table.get_item(Key={"_part": "q", "_row": 1})
    equal(refused(dynamodb.get_item, TableName="none", Key={"a": {"S": "b"}}), ("ResourceNotFoundException", 400))
    equal(refused(dynamodb.put_item, TableName=name, Item={"_part": {"S": "p"}}), ("ValidationException", 400))
    equal(refused(dynamodb.put_item, TableName=name, Item=there | {"n": {"N": "1e999"}}), ("ValidationException", 400))


def ecs_tasks_run_and_stop():
    ecs, cluster = client("ecs"), out["Cluster"]
    network = {"awsvpcConfiguration": {"subnets": known["subnets"], "securityGroups": [known["security_group"]], "assignPublicIp": "ENABLED"}}
    launch = dict(cluster=cluster, taskDefinition=known["task_definition"], launchType="FARGATE", networkConfiguration=network)
    environment = [{"name": "A", "value": "ü"}]
    launch |= dict(clientToken="t1", startedBy="boto3", overrides={"containerOverrides": [{"name": "worker", "environment": environment}]})
    answer = ecs.run_task(**launch)
    equal(answer["failures"], [])
    (task,) = answer["tasks"]
    arn = task["taskArn"]
    equal(ecs.run_task(**launch)["tasks"][0]["taskArn"], arn)
    equal(task["overrides"]["containerOverrides"][0]["environment"], environment)
    try:
        ecs.run_task(**(launch | {"startedBy": "another"}))
        raise AssertionError("a token was taken with other parameters")
    except ecs.exceptions.ConflictException as error:
        equal((error.response["Error"]["Code"], error.response["resourceIds"]), ("ConflictException", [arn]))

    def described():
        return ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]

    running = until("the task's start", lambda: (task := described())["lastStatus"] == "RUNNING" and task)
    equal((running["cpu"], running["memory"], running["launchType"]), ("256", "512", "FARGATE"))
    equal(running["createdAt"].utcoffset() is not None, True)
    equal(ecs.list_tasks(cluster=cluster, startedBy="boto3")["taskArns"], [arn])
    logs = client("logs")
    stream = "worker/worker/" + arn.rsplit("/", 1)[1]
    group = known["log_group"]

    def lines():
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in events]

    until("the task's output", lambda: lines() == ["working"])
    found = logs.filter_log_events(logGroupName=group, filterPattern='"working"', logStreamNamePrefix="worker/")
    equal([(event["logStreamName"], event["message"]) for event in found["events"]], [(stream, "working")])
    assert found["events"][0]["timestamp"] <= time.time() * 1000 and found["events"][0]["eventId"]
    equal(logs.filter_log_events(logGroupName=group, filterPattern="-working")["events"], [])
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, logStreamNames=[stream])
    equal([event["message"] for page in pages for event in page["events"]], ["working"])
    equal(refused(logs.filter_log_events, logGroupName=group, filterPattern="{ $.level = \"WARN\" }"), ("InvalidParameterException", 400))
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="worker/")["logStreams"]
    equal([item["logStreamName"] for item in streams], [stream])
    assert group in [item["logGroupName"] for item in logs.describe_log_groups()["logGroups"]]
    equal(refused(logs.get_log_events, logGroupName="none", logStreamName="x"), ("ResourceNotFoundException", 400))

    ecs.stop_task(cluster=cluster, task=arn, reason="enough")
    ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    stopped = described()
    equal((stopped["stopCode"], stopped["stoppedReason"]), ("UserInitiated", "enough"))
    equal(stopped["containers"][0]["exitCode"], 143)
    equal(ecs.list_tasks(cluster=cluster)["taskArns"], [])
    equal(ecs.describe_tasks(cluster=cluster, tasks=["0" * 32])["failures"][0]["reason"], "MISSING")
    equal(ecs.describe_clusters(clusters=[cluster])["clusters"][0]["status"], "ACTIVE")
    definition = ecs.describe_task_definition(taskDefinition=known["family"])["taskDefinition"]
    equal(definition["taskDefinitionArn"], known["task_definition"])
    equal(refused(ecs.run_task, **(launch | {"cluster": "none"}))[0], "ClusterNotFoundException")
    equal(refused(ecs.describe_task_definition, taskDefinition="none")[0], "ClientException")
    equal(refused(ecs.run_task, **(launch | {"taskDefinition": "none"}))[0], "ClientException")
    equal(refused(ecs.run_task, **(launch | {"clientToken": "t2", "count": 11}))[0], "InvalidParameterException")


def what_the_console_shows_is_listed():
    formation = client("cloudformation")
    queue = formation.describe_stack_resource(StackName="tidemill", LogicalResourceId="JobsQueue")["StackResourceDetail"]
    equal((queue["ResourceType"], queue["ResourceStatus"]), ("AWS::SQS::Queue", "CREATE_COMPLETE"))
    assert queue["LastUpdatedTimestamp"].year >= 2026
    equal(refused(formation.describe_stack_resource, StackName="tidemill", LogicalResourceId="None"), ("ValidationError", 400))
    functions = {function["FunctionName"]: function for function in client("lambda").list_functions()["Functions"]}
    equal(len(functions), 5)
    assert functions[known["function"]]["Timeout"] == 30, functions[known["function"]]
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) > 5
    first = alarms[0]
    equal((first["StateValue"], type(first["Threshold"])), ("INSUFFICIENT_DATA", float))
    assert first["StateUpdatedTimestamp"].year >= 2026
    named = client("cloudwatch").describe_alarms(AlarmNames=[first["AlarmName"]])["MetricAlarms"]
    equal([alarm["AlarmArn"] for alarm in named], [first["AlarmArn"]])


def partiql_statements_run():
    statements, table = client("dynamodb"), out["FleetTable"]
    key = {entry["AttributeName"]: {"S": "partiql"} for entry in statements.describe_table(TableName=table)["Table"]["KeySchema"]}
    statements.put_item(TableName=table, Item=key | {"n": {"N": "7"}})
    (name, _), *_ = key.items()
    found = statements.execute_statement(Statement=f'SELECT * FROM "{table}" WHERE "{name}" = ?', Parameters=[{"S": "partiql"}])
    equal([item["n"] for item in found["Items"]], [{"N": "7"}])
    statements.delete_item(TableName=table, Key=key)


def the_keys_of_other_local_clouds_work_too():
    theirs = dict(aws_access_key_id="test", aws_secret_access_key="test")
    account = client("sts", **theirs).get_caller_identity()["Account"]
    equal(account, client("sts").get_caller_identity()["Account"])
    s3 = client("s3", **theirs)
    s3.put_object(Bucket=out["Bucket"], Key="test/test", Body=b"signed")
    equal(client("s3").get_object(Bucket=out["Bucket"], Key="test/test")["Body"].read(), b"signed")
    wrong = client("s3", aws_access_key_id="test", aws_secret_access_key="tidemill")
    equal(refused(wrong.get_object, Bucket=out["Bucket"], Key="test/test"), ("SignatureDoesNotMatch", 403))


def events_reach_rules():
    events = client("events")
    entry = {"Source": "boto3", "DetailType": "Check", "Detail": "{}"}
    put = events.put_events(Entries=[entry, entry | {"Detail": "no json"}, entry | {"Source": "aws.s3"}])
    equal(put["FailedEntryCount"], 2)
    assert put["Entries"][0]["EventId"]
    equal([failed["ErrorCode"] for failed in put["Entries"][1:]], ["MalformedDetail", "NotAuthorizedForSourceException"])
    event = {
        "id": "1", "account": "123456789012", "source": "aws.ecs", "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
        "resources": [], "detail-type": "ECS Task State Change", "detail": {"containers": [{"exitCode": 0}, {"exitCode": 137}]},
    }
    for code, expected in [(137, True), (1, False)]:
        pattern = {"source": ["aws.ecs"], "detail": {"containers": {"exitCode": [code]}}}
        answer = events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))
        equal(answer["Result"], expected)
    equal(refused(events.test_event_pattern, EventPattern='{"a": 1}', Event=json.dumps(event))[0], "InvalidEventPatternException")
    names = [rule["Name"] for rule in events.list_rules()["Rules"]]
    equal(len(names), 3)
    uploads = next(name for name in names if "Uploads" in name)
    targets = events.list_targets_by_rule(Rule=uploads)["Targets"]
    assert targets[0]["DeadLetterConfig"]["Arn"] and targets[0]["RetryPolicy"]["MaximumRetryAttempts"] == 185
    equal(refused(events.describe_rule, Name="none"), ("ResourceNotFoundException", 400))


def an_uploads_event_is_delivered():
    """S3 to EventBridge to SQS, looked at on a queue of our own."""
    s3, events, sqs = client("s3"), client("events"), client("sqs")
    url = sqs.create_queue(QueueName="looked-at")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    admits = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [admits]})})
    events.put_rule(Name="look", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "looked/"}]}}}))
    equal(events.put_targets(Rule="look", Targets=[{"Id": "q", "Arn": arn}])["FailedEntryCount"], 0)

    def next_event():
        (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    key = "looked/ü +%41\n\"'.csv"
    put = s3.put_object(Bucket=out["Bucket"], Key=key, Body=b"12345")
    event = next_event()
    equal((event["source"], event["detail-type"]), ("aws.s3", "Object Created"))
    detail = event["detail"]
    equal((detail["bucket"]["name"], detail["reason"]), (out["Bucket"], "PutObject"))
    seen = detail["object"]
    equal((seen["key"], seen["size"], seen["etag"]), (key, 5, put["ETag"].strip('"')))
    equal(seen["version-id"], put["VersionId"])
    marker = s3.delete_object(Bucket=out["Bucket"], Key=key)
    event = next_event()
    equal((event["detail-type"], event["detail"]["deletion-type"]), ("Object Deleted", "Delete Marker Created"))
    equal((event["detail"]["object"]["key"], event["detail"]["object"]["version-id"]), (key, marker["VersionId"]))
    assert event["detail"]["object"]["sequencer"] > seen["sequencer"]


def functions_are_invoked():
    functions, name = client("lambda"), known["function"]
    answer = functions.invoke(FunctionName=name, Payload=b'{"Records": []}')
    equal((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
    equal((json.load(answer["Payload"]), "FunctionError" in answer), (None, False))
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    equal(functions.invoke(FunctionName=arn, InvocationType="Event", Payload=b"{}")["StatusCode"], 202)
    equal(functions.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"], 204)
    equal(refused(functions.invoke, FunctionName="none"), ("ResourceNotFoundException", 404))
    refusal = refused(functions.invoke, FunctionName=name, Payload=b"{")
    equal(refusal, ("InvalidRequestContentException", 400))


def sts_knows_the_caller():
    identity = client("sts").get_caller_identity()
    equal((identity["Account"], identity["Arn"]), ("123456789012", "arn:aws:iam::123456789012:root"))
    stranger = client("sts", aws_access_key_id="AKIANOBODY", aws_secret_access_key="x")
    equal(refused(stranger.get_caller_identity), ("InvalidClientTokenId", 403))
    stranger = client("dynamodb", aws_access_key_id="AKIANOBODY", aws_secret_access_key="x")
    equal(refused(stranger.list_tables)[0], "UnrecognizedClientException")


CHECKS = [
    s3_objects_versions_and_conditions,
    s3_odd_keys_and_listings,
    s3_parts_copies_and_presigned_urls,
    sqs_messages_batches_and_attributes,
    sns_mails_and_refusals,
    dynamodb_items_queries_and_transactions,
    ecs_tasks_run_and_stop,
    events_reach_rules,
    an_uploads_event_is_delivered,
    functions_are_invoked,
    sts_knows_the_caller,
    what_the_console_shows_is_listed,
    partiql_statements_run,
    the_keys_of_other_local_clouds_work_too,
]

failed = []
for check in CHECKS:
    try:
        check()
        print("ok    ", check.__name__)
    except Exception:  # noqa: BLE001: every check is made, and every failure reported
        traceback.print_exc()
        print("FAILED", check.__name__)
        failed.append(check.__name__)
sys.exit(1 if failed else 0)
