"""ministack, which nobody here wrote, as the second cloud."""

import json
import re

from botocore.exceptions import ClientError

import package
from bus import Bus
from clouds import PARAMETERS, STACK, Cloud, Mail
from engine import FAMILY, Engine
from processes import AWS, Program, Stuck, free_port, until


class Ministack(Cloud):
    """ministack, with the same template deployed through its CloudFormation."""

    EVENTS_HAVE_VERSIONS = False
    # Kinds of resources that it does not know, with what they do. No scenario needs them.
    WITHOUT = {
        "AWS::CodeDeploy::Application": "moves the functions' alias to a new version, bit by bit",
        "AWS::CodeDeploy::DeploymentGroup": "the same",
    }

    def start(self):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        reach = {"AWS_ENDPOINT_URL": self.endpoint}
        self.keys = {}
        images = {PARAMETERS["WorkerImage"]: self.setup.binaries / "worker"}

        def environment(labels):
            """A container has the permissions of its task definition's role."""
            return AWS | reach | until("the key of its role", lambda: self.keys.get(labels[FAMILY]))

        self.engine = Engine(self.folder, images, environment)
        settings = {
            # Has what callers were not granted refused, and what resources' own policies do not allow.
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "DOCKER_HOST": f"unix://{self.engine.path}",
            # These would listen on every address.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        self.program = Program([self.setup.python / "ministack"], self.folder, "ministack", settings | reach)
        until("ministack", lambda: self.program.must_run() or self.reaches(f"{self.endpoint}/_ministack/health"))
        self.deploy()
        for task in ("WorkerTask", "SweepTask"):
            self.key_of_task(self.resource(task))
        self.note_mails()
        self.bus = Bus(self)

    def deploy(self):
        s3, formation = self.client("s3"), self.client("cloudformation")
        s3.create_bucket(Bucket="artefacts")

        def upload(name, body):
            s3.put_object(Bucket="artefacts", Key=name, Body=body)
            return f"s3://artefacts/{name}"

        template = package.load(self.setup.template)
        template = package.packaged(template, upload, self.setup.binaries, self.setup.pipelines)
        template = package.as_ministack_asks(package.over_http(package.translated(template)))
        template = package.split_before(template, PARAMETERS)

        def create(template):
            upload("template.json", json.dumps(template).encode())
            formation.create_stack(
                StackName=STACK,
                TemplateURL=f"{self.endpoint}/artefacts/template.json",
                Capabilities=["CAPABILITY_IAM"],
                Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()],
            )

        unknown = set()
        try:
            create(template)
        except ClientError as error:
            found = re.search(r"Unrecognized resource types: \[(.*)\]", str(error))
            if not found:
                raise
            unknown = set(found[1].split(", "))
        listed = self.WITHOUT.keys() & package.kinds(template).values()
        assert unknown == listed, f"ministack does not know {sorted(unknown)}, and {sorted(listed)} are listed"
        if unknown:
            create(package.without(template, unknown))
        ended = until("the deployment", lambda: self.find_ended_stack(formation), 60)
        if ended["StackStatus"] != "CREATE_COMPLETE":
            events = formation.describe_stack_events(StackName=STACK)["StackEvents"]
            reasons = [f"{it['LogicalResourceId']}: {it.get('ResourceStatusReason')}" for it in events]
            raise Stuck(f"the stack is {ended['StackStatus']}:\n" + "\n".join(reasons))
        self.find_stack()

    def find_ended_stack(self, formation):
        (stack,) = formation.describe_stacks(StackName=STACK)["Stacks"]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    def key_of_task(self, definition):
        """A user with the policies of a task's role: the role's own credentials, as ministack's ECS makes them up, are
        known to nobody."""
        iam = self.client("iam")
        found = self.client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
        role, user = found["taskRoleArn"].rsplit("/", 1)[1], found["family"]
        key = self.user(user)
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            iam.put_user_policy(UserName=user, PolicyName=policy, PolicyDocument=json.dumps(document))
        # It may do no more than its policies allow: otherwise no scenario would show a missing permission.
        try:
            self.client("dynamodb", key).delete_table(TableName=self.out["LedgerTable"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise
        else:
            raise Stuck(f"{user} may delete the ledger")
        self.keys[user] = key

    def user(self, name):
        """The access key of a user who may do nothing yet."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def note_mails(self):
        """ministack sends no mail: a queue that hears of the topic what the address would."""
        sqs, sns = self.client("sqs"), self.client("sns")
        self.letterbox = sqs.create_queue(QueueName="letterbox")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.letterbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        from_topic = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [from_topic | {"Resource": arn}]}
        sqs.set_queue_attributes(QueueUrl=self.letterbox, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=self.out["MailTopic"], Protocol="sqs", Endpoint=arn)
        self.received = []

    def mails(self):
        sqs = self.client("sqs")
        while got := sqs.receive_message(QueueUrl=self.letterbox, MaxNumberOfMessages=10).get("Messages"):
            for message in got:
                notice = json.loads(message["Body"])
                self.received.append(Mail(notice.get("Subject"), notice["Message"]))
                sqs.delete_message(QueueUrl=self.letterbox, ReceiptHandle=message["ReceiptHandle"])
        return list(self.received)

    def last_logs(self):
        failure = self.bus.failure if hasattr(self, "bus") else None
        return super().last_logs() + (f"\n---- events of stopped tasks are no longer sent: {failure!r}" if failure else "")

    def end(self):
        for part in ("bus", "program", "engine"):
            if hasattr(self, part):
                getattr(self, part).end()
