"""Composition root: configuration → settings → plan → target → outputs."""

from __future__ import annotations

import pulumi

from infra import stack_config
from infra.catalog.load import load
from infra.errors import SeekstackError
from infra.planning import parse_all, plan_for
from infra.settings import Settings, Target, parse
from infra.sizing.result import Plan
from infra.targets.outputs import Outputs

__all__ = ["main"]


def main() -> None:
    """Declare every resource of the running stack; a refusal ends the run before the first of them."""
    try:
        declare()
    except SeekstackError as error:
        # RunError is what the language hosts print without a traceback.
        raise pulumi.RunError(str(error)) from None


def declare() -> None:
    """The whole program, without the engine's error form."""
    catalog = load()
    config = stack_config.read()
    settings = parse_all(
        config.errors,
        lambda: parse(
            config.values,
            catalog,
            region=config.region,
            provider_keys=config.provider_keys,
            secrets=config.secrets,
            locate=config.file.locate,
        ),
    )
    plan = plan_for(settings, catalog)
    for warning in settings.warnings:
        pulumi.log.warn(warning)
    for warning in plan.warnings:
        pulumi.log.info(warning)
    for name, value in deploy(settings, plan).exports().items():
        pulumi.export(name, value)


def deploy(settings: Settings, plan: Plan) -> Outputs:
    """The target's own resources; targets are imported late because each SDK costs half a second."""
    if settings.target is Target.EC2:
        from infra.targets import ec2

        return ec2.deploy(settings, plan, stack_config.aws_provider_arguments())
    from infra.targets import kubernetes

    return kubernetes.deploy(settings, plan)
