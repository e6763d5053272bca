"""The error codes of refused calls: the local cloud against moto and ministack, which nobody here wrote.

The product reacts to error codes. Each case below is a call that AWS refuses; `REFUSALS` has the code that AWS answers,
by its API reference. The local cloud must answer the same. Where one of the others does not, `DIFFER` says so, with the
source of what AWS does. A difference that no longer exists fails the suite, so that it is taken off the list.
"""

import uuid

from botocore.exceptions import ClientError


class Things:
    """What the cases are about, made once in each cloud."""

    def __init__(self, cloud):
        clients = ("s3", "sqs", "sns", "dynamodb", "ecs", "logs", "events", "cloudformation", "lambda")
        for service in clients:
            setattr(self, service, cloud.client(service))
        self.bucket, self.topic, self.cluster = cloud.out["Bucket"], cloud.out["MailTopic"], cloud.out["Cluster"]
        self.ledger, self.definition = cloud.out["LedgerTable"], cloud.definition()
        self.queue = self.sqs.create_queue(QueueName="codes")["QueueUrl"]
        put = {"Bucket": self.bucket, "Key": "codes/here"}
        self.first = self.s3.put_object(**put, Body=b"one")
        self.s3.put_object(**put, Body=b"two")
        self.s3.put_object(Bucket=self.bucket, Key="codes/gone", Body=b"x")
        self.marker = self.s3.delete_object(Bucket=self.bucket, Key="codes/gone")["VersionId"]
        self.dynamodb.put_item(TableName=self.ledger, Item=item("there"))
        self.network = {"awsvpcConfiguration": {"subnets": cloud.subnets()}}

    def received(self):
        """The handle of a message that was received, and then deleted."""
        self.sqs.send_message(QueueUrl=self.queue, MessageBody="x")
        (message,) = self.sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=5)["Messages"]
        return message["ReceiptHandle"]

    def run(self, **other):
        return self.ecs.run_task(
            **({"cluster": self.cluster, "taskDefinition": self.definition, "launchType": "FARGATE"} | other),
            networkConfiguration=self.network,
        )

    def not_in_flight(self):
        handle = self.received()
        self.sqs.change_message_visibility(QueueUrl=self.queue, ReceiptHandle=handle, VisibilityTimeout=0)
        self.sqs.change_message_visibility(QueueUrl=self.queue, ReceiptHandle=handle, VisibilityTimeout=30)

    def batch(self, *entries):
        self.sqs.send_message_batch(QueueUrl=self.queue, Entries=list(entries))

    def write(self, *puts, **other):
        self.dynamodb.transact_write_items(TransactItems=[{"Put": put} for put in puts], **other)

    def same_token_twice(self):
        token = uuid.uuid4().hex
        self.write({"TableName": self.ledger, "Item": item("once")}, ClientRequestToken=token)
        self.write({"TableName": self.ledger, "Item": item("other")}, ClientRequestToken=token)

    def same_launch_otherwise(self):
        token = uuid.uuid4().hex
        (task,) = self.run(clientToken=token)["tasks"]
        try:
            self.run(clientToken=token, startedBy="another")
        finally:
            self.ecs.stop_task(cluster=self.cluster, task=task["taskArn"])

    def unless_there(self, job):
        return {"TableName": self.ledger, "Item": item(job), "ConditionExpression": "attribute_not_exists(job)"}


def item(job):
    return {"job": {"S": f"codes/{job}"}}


def entry(name, **more):
    return {"Id": name, "MessageBody": "x"} | more


QUEUE_GONE = "http://127.0.0.1/000000000000/nobodys"
NOT_FOUND_IN_SQS = "AWS.SimpleQueueService.NonExistentQueue"

# The case, the call, and what AWS refuses it with.
REFUSALS = {
    "s3 get, no such key": (lambda t: t.s3.get_object(Bucket=t.bucket, Key="codes/none"), "NoSuchKey 404"),
    "s3 get, deleted": (lambda t: t.s3.get_object(Bucket=t.bucket, Key="codes/gone"), "NoSuchKey 404"),
    "s3 get, a delete marker": (
        lambda t: t.s3.get_object(Bucket=t.bucket, Key="codes/gone", VersionId=t.marker),
        "MethodNotAllowed 405",
    ),
    "s3 get, a version of another key": (
        lambda t: t.s3.get_object(Bucket=t.bucket, Key="codes/none", VersionId=t.first["VersionId"]),
        "NoSuchVersion 404",
    ),
    "s3 get, changed meanwhile": (
        lambda t: t.s3.get_object(Bucket=t.bucket, Key="codes/here", IfMatch=t.first["ETag"]),
        "PreconditionFailed 412",
    ),
    "s3 get, beyond its end": (
        lambda t: t.s3.get_object(Bucket=t.bucket, Key="codes/here", Range="bytes=9-"),
        "InvalidRange 416",
    ),
    "s3 get, no such bucket": (lambda t: t.s3.get_object(Bucket="nobodys-bucket", Key="x"), "NoSuchBucket 404"),
    "s3 head, no such key": (lambda t: t.s3.head_object(Bucket=t.bucket, Key="codes/none"), "404 404"),
    "sqs send, no such queue": (
        lambda t: t.sqs.send_message(QueueUrl=QUEUE_GONE, MessageBody="x"),
        f"{NOT_FOUND_IN_SQS} 400",
    ),
    "sqs receive, no such queue": (lambda t: t.sqs.receive_message(QueueUrl=QUEUE_GONE), f"{NOT_FOUND_IN_SQS} 400"),
    "sqs attributes, no such queue": (
        lambda t: t.sqs.get_queue_attributes(QueueUrl=QUEUE_GONE, AttributeNames=["All"]),
        f"{NOT_FOUND_IN_SQS} 400",
    ),
    "sqs delete, no handle": (
        lambda t: t.sqs.delete_message(QueueUrl=t.queue, ReceiptHandle="nonsense"),
        "ReceiptHandleIsInvalid 400",
    ),
    "sqs visibility, no handle": (
        lambda t: t.sqs.change_message_visibility(QueueUrl=t.queue, ReceiptHandle="nonsense", VisibilityTimeout=1),
        "ReceiptHandleIsInvalid 400",
    ),
    "sqs visibility, not in flight": (Things.not_in_flight, "AWS.SimpleQueueService.MessageNotInflight 400"),
    "sqs batch, empty": (Things.batch, "AWS.SimpleQueueService.EmptyBatchRequest 400"),
    "sqs batch, eleven": (
        lambda t: t.batch(*(entry(str(n)) for n in range(11))),
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest 400",
    ),
    "sqs batch, an id twice": (
        lambda t: t.batch(entry("a"), entry("a")),
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct 400",
    ),
    "sqs send, too late": (
        lambda t: t.sqs.send_message(QueueUrl=t.queue, MessageBody="x", DelaySeconds=901),
        "InvalidParameterValue 400",
    ),
    "dynamodb put, condition": (
        lambda t: t.dynamodb.put_item(**t.unless_there("there")),
        "ConditionalCheckFailedException 400",
    ),
    "dynamodb put, condition, with the item": (
        lambda t: t.dynamodb.put_item(**t.unless_there("there"), ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        "ConditionalCheckFailedException 400 with codes/there",
    ),
    "dynamodb transaction, condition of the second": (
        lambda t: t.write(t.unless_there("new"), t.unless_there("there")),
        "TransactionCanceledException 400 None ConditionalCheckFailed",
    ),
    "dynamodb transaction, an item twice": (
        lambda t: t.write(t.unless_there("new"), t.unless_there("new")),
        "ValidationException 400",
    ),
    "dynamodb transaction, same token for another": (
        Things.same_token_twice,
        "IdempotentParameterMismatchException 400",
    ),
    "dynamodb get, no such table": (
        lambda t: t.dynamodb.get_item(TableName="nobodys", Key={"job": {"S": "x"}}),
        "ResourceNotFoundException 400",
    ),
    "dynamodb put, empty key": (
        lambda t: t.dynamodb.put_item(TableName=t.ledger, Item={"job": {"S": ""}}),
        "ValidationException 400",
    ),
    "dynamodb put, 400 KB": (
        lambda t: t.dynamodb.put_item(TableName=t.ledger, Item=item("large") | {"x": {"S": "x" * 410_000}}),
        "ValidationException 400",
    ),
    "dynamodb batch, an item twice": (
        lambda t: t.dynamodb.batch_write_item(RequestItems={t.ledger: [{"PutRequest": {"Item": item("two")}}] * 2}),
        "ValidationException 400",
    ),
    "ecs run, no such cluster": (lambda t: t.run(cluster="nobodys"), "ClusterNotFoundException 400"),
    "ecs run, no such definition": (lambda t: t.run(taskDefinition="nobodys:1"), "ClientException 400"),
    "ecs run, eleven": (lambda t: t.run(count=11), "InvalidParameterException 400"),
    "ecs run, same token otherwise": (Things.same_launch_otherwise, "ConflictException 400"),
    "ecs describe, no such definition": (
        lambda t: t.ecs.describe_task_definition(taskDefinition="nobodys"),
        "ClientException 400",
    ),
    "ecs describe, no such cluster": (
        lambda t: t.ecs.describe_tasks(cluster="nobodys", tasks=["0" * 32]),
        "ClusterNotFoundException 400",
    ),
    "ecs stop, no such task": (
        lambda t: t.ecs.stop_task(cluster=t.cluster, task="0" * 32),
        "InvalidParameterException 400",
    ),
    "sns publish, two lines of subject": (
        lambda t: t.sns.publish(TopicArn=t.topic, Subject="a\nb", Message="x"),
        "InvalidParameter 400",
    ),
    "sns publish, long subject": (
        lambda t: t.sns.publish(TopicArn=t.topic, Subject="x" * 101, Message="x"),
        "InvalidParameter 400",
    ),
    "sns publish, no message": (lambda t: t.sns.publish(TopicArn=t.topic, Message=""), "InvalidParameter 400"),
    "sns publish, no such topic": (
        lambda t: t.sns.publish(TopicArn=f"{t.topic}-none", Message="x"),
        "NotFound 404",
    ),
    "logs get, no such group": (
        lambda t: t.logs.get_log_events(logGroupName="nobodys", logStreamName="x"),
        "ResourceNotFoundException 400",
    ),
    "logs filter, no such group": (
        lambda t: t.logs.filter_log_events(logGroupName="nobodys"),
        "ResourceNotFoundException 400",
    ),
    "cloudformation describe, no such stack": (
        lambda t: t.cloudformation.describe_stacks(StackName="nobodys"),
        "ValidationError 400",
    ),
    "events describe, no such rule": (
        lambda t: t.events.describe_rule(Name="nobodys"),
        "ResourceNotFoundException 400",
    ),
    "lambda invoke, no such function": (
        lambda t: getattr(t, "lambda").invoke(FunctionName="nobodys"),
        "ResourceNotFoundException 404",
    ),
}

MODEL = "the model of the API states it for this operation"
LIMIT = "the API reference states this limit"

# The cloud and the case, what it answers, and why AWS is believed to do as `REFUSALS` says.
DIFFER = {
    ("ministack", "sqs visibility, not in flight"): ("not refused", MODEL),
    ("ministack", "sqs send, too late"): ("not refused", LIMIT),
    ("ministack", "ecs run, no such cluster"): ("not refused", f"{MODEL}; no cluster is made by a launch"),
    ("ministack", "ecs run, eleven"): ("not refused", LIMIT),
    ("ministack", "ecs run, same token otherwise"): ("not refused", f"{MODEL}; ECS guide, Ensuring idempotency"),
    ("ministack", "ecs describe, no such cluster"): ("not refused", MODEL),
    ("ministack", "sns publish, two lines of subject"): ("not refused", LIMIT),
    ("ministack", "sns publish, long subject"): ("not refused", LIMIT),
    ("ministack", "sns publish, no message"): ("not refused", LIMIT),
    ("moto", "s3 get, a delete marker"): ("NoSuchVersion 404", "the S3 guide, Working with delete markers: 405"),
    ("moto", "sqs visibility, not in flight"): ("not refused", MODEL),
    ("moto", "dynamodb transaction, same token for another"): ("not refused", MODEL),
    ("moto", "ecs run, eleven"): ("500 500", LIMIT),
    ("moto", "ecs run, same token otherwise"): ("500 500", f"{MODEL}; ECS guide, Ensuring idempotency"),
    ("moto", "ecs stop, no such task"): ("500 500", "an unknown task is the caller's mistake, and no failure of ECS"),
    ("moto", "sns publish, two lines of subject"): ("not refused", LIMIT),
    ("moto", "sns publish, no message"): ("not refused", LIMIT),
}


def as_listed(cloud):
    """Makes all calls. Raises when one is answered otherwise than as it is listed."""
    things, wrong = Things(cloud), []
    for case, (call, aws) in REFUSALS.items():
        listed, _ = DIFFER.get((cloud.name, case), (aws, None))
        found = refused_with(call, things)
        if found == listed:
            continue
        fixed = " It now answers as AWS does: take it off the list." if found == aws else ""
        wrong.append(f"{case}: {found!r} is not {listed!r}.{fixed}")
    assert not wrong, "\n".join(wrong)


def refused_with(call, things):
    """What a call is refused with, in words."""
    try:
        call(things)
    except ClientError as error:
        answer = error.response
        words = [answer["Error"]["Code"], str(answer["ResponseMetadata"]["HTTPStatusCode"])]
        words += [reason["Code"] for reason in answer.get("CancellationReasons", [])]
        if "Item" in answer:
            words += ["with", answer["Item"]["job"]["S"]]
        return " ".join(words)
    return "not refused"
