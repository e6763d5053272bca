"""What the template becomes: SAM's own translator, which AWS runs, says which resources there are."""

import package
from clouds import PARAMETERS, STACK
from mini import Ministack


# What moves an alias from version to version, for which there is nothing to do where each function has one.
NOT_IN_LOCAL = ("AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup", "AWS::Lambda::Version")
ROLE_OF_THESE = "CodeDeployServiceRole"


def as_translated(cloud):
    """Raises when a cloud has built others."""
    setup = cloud.setup
    template = package.load(setup.template)
    template = package.packaged(template, lambda name, _: f"s3://artefacts/{name}", setup.binaries, setup.pipelines)
    template = package.built(package.translated(template), PARAMETERS)
    if cloud.name == "ministack":
        template = package.without(package.over_http(template), Ministack.WITHOUT)
    expected = package.kinds(template)
    if cloud.name == "local":
        left_out = [name for name, kind in expected.items() if kind in NOT_IN_LOCAL] + [ROLE_OF_THESE]
        assert len(left_out) > len(NOT_IN_LOCAL), left_out
        expected = {name: kind for name, kind in expected.items() if name not in left_out}
    found = cloud.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    built = {package.plain(it["LogicalResourceId"], it["ResourceType"]): it["ResourceType"] for it in found}
    missing, more = expected.items() - built.items(), built.items() - expected.items()
    assert not missing and not more, f"missing: {sorted(missing)}; not of the template: {sorted(more)}"
