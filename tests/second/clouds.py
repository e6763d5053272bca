"""The clouds. To a scenario they are the same: an endpoint, the stack's outputs, the mails that people got."""

import json
import subprocess
import urllib.request
from collections import namedtuple
from decimal import Decimal

import boto3
from botocore.config import Config

from processes import AWS, Program, free_port, until

STACK = "tidemill"
PARAMETERS = {"NotifyEmail": "ops@example.com", "WorkerImage": "worker:1"}

Mail = namedtuple("Mail", "subject body")


class Cloud:
    """What both have."""

    def __init__(self, name, setup):
        """`setup` says where the programs, the template and the pipelines are."""
        self.name = name
        self.setup = setup
        self.folder = setup.folder / name
        self.folder.mkdir(parents=True)

    def client(self, service, key=AWS):
        """boto3's, which shares no line with the Rust SDK, and does not repeat what is refused."""
        keys = {"aws_access_key_id": key["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": key["AWS_SECRET_ACCESS_KEY"]}
        once = Config(
            retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, parameter_validation=False
        )
        return boto3.Session().client(
            service, endpoint_url=self.endpoint, region_name=AWS["AWS_REGION"], config=once, **keys
        )

    def reaches(self, url):
        """Whether it answers there."""
        try:
            return urllib.request.urlopen(url, timeout=2).status == 200
        except OSError:
            return False

    def find_stack(self):
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        self.out = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        return stack

    def resource(self, logical_id):
        """The physical id of a resource."""
        found = self.client("cloudformation").describe_stack_resources(StackName=STACK, LogicalResourceId=logical_id)
        return found["StackResources"][0]["PhysicalResourceId"]

    def definition(self):
        """A task definition that can be run."""
        return self.resource("WorkerTask")

    def subnets(self):
        """Where."""
        return [self.resource("SubnetA")]

    def tidemill(self, *arguments, codes=(0,)):
        """What the command prints, line by line, each a JSON document."""
        command = [self.setup.binaries / "tidemill", *arguments, "--json"]
        environment = AWS | {"AWS_ENDPOINT_URL": self.endpoint, "HOME": str(self.folder), "USER": "second"}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if ended.returncode not in codes:
            said = f"{ended.stdout}{ended.stderr}"
            raise AssertionError(f"tidemill {' '.join(arguments)} ended with {ended.returncode}:\n{said}")
        decoder, text, documents = json.JSONDecoder(parse_float=Decimal), ended.stdout.strip(), []
        while text:
            document, end = decoder.raw_decode(text)
            documents.append(document)
            text = text[end:].lstrip()
        return documents

    def last_logs(self):
        """The last lines of all logs, for the report of a failure."""
        logs = sorted(self.folder.glob("*.log"))
        tails = ((log, log.read_text(errors="replace").splitlines()[-40:]) for log in logs)
        return "\n".join(f"---- {self.name}: {log.name}\n" + "\n".join(lines) for log, lines in tails)


class Local(Cloud):
    """The local cloud, as `tidemill up` starts it."""

    # Whether S3's events say which version was put, as AWS's do where a bucket has versions.
    EVENTS_HAVE_VERSIONS = True

    def start(self):
        command = [self.setup.binaries / "tidemill", "up", "--json", "--port", "0", "--data", self.folder / "data"]
        command += ["--template", self.setup.template, "--pipelines", self.setup.pipelines]
        self.program = Program(command, self.folder, "up", {})
        ready = until("tidemill up", lambda: self.program.must_run() or self.events("ready"))
        self.endpoint = ready[0]["endpoint"]
        self.find_stack()

    def events(self, kind):
        # What follows the last line break may be half a line.
        lines = self.program.log.read_text(errors="replace").split("\n")[:-1]
        events = (json.loads(line) for line in lines if line.startswith("{"))
        return [event for event in events if event.get("event") == kind]

    def mails(self):
        return [Mail(event["subject"], event["body"]) for event in self.events("mail")]

    def end(self):
        if hasattr(self, "program"):
            self.program.end()


class Moto(Cloud):
    """moto, which knows what calls are answered with, and in which nothing happens by itself."""

    def start(self):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        command = [self.setup.python / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
        self.program = Program(command, self.folder, "moto", {})
        until("moto", lambda: self.program.must_run() or self.reaches(f"{self.endpoint}/moto-api/data.json"))
        s3, bucket = self.client("s3"), "bucket"
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.client("dynamodb").create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "job", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "job", "KeyType": "HASH"}],
        )
        self.client("ecs").create_cluster(clusterName="cluster")
        topic = self.client("sns").create_topic(Name="topic")["TopicArn"]
        self.out = {"Bucket": bucket, "LedgerTable": "ledger", "Cluster": "cluster", "MailTopic": topic}

    def definition(self):
        container = {"name": "worker", "image": "worker:1", "essential": True}
        fargate = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"}
        made = self.client("ecs").register_task_definition(family="worker", containerDefinitions=[container], **fargate)
        return made["taskDefinition"]["taskDefinitionArn"]

    def subnets(self):
        return [self.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]]

    def end(self):
        if hasattr(self, "program"):
            self.program.end()
