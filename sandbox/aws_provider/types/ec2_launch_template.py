"""EC2 launch templates: each change is a new version."""

from __future__ import annotations

import dataclasses
from typing import Final

from sandbox.aws_provider.description import Call, Setting, Type, arn, ec2_tags

__all__ = ["TYPES"]

USE_LATEST: Final = Call(
    "modify_launch_template",
    {
        "LaunchTemplateId": "id",
        "DefaultVersion": lambda view: str(
            view.call("ec2", "describe_launch_templates", LaunchTemplateIds=[view.id])["LaunchTemplates"][0][
                "LatestVersionNumber"
            ]
        ),
    },
    when="inputs.updateDefaultVersion",
)
NOT_IN_DATA: Final = ("name", "namePrefix", "description", "defaultVersion", "updateDefaultVersion")

LAUNCH_TEMPLATE: Final = Type(
    token="aws:ec2/launchTemplate:LaunchTemplate",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call(
        "create_launch_template",
        {"LaunchTemplateName": "inputs.name", "VersionDescription": "inputs.description"},
        auto=True,
        into="LaunchTemplateData",
        omit=NOT_IN_DATA,
    ),
    id="response.LaunchTemplate.LaunchTemplateId",
    read=Call("describe_launch_templates", {"LaunchTemplateIds": "[id]"}, result="LaunchTemplates[0]"),
    more={
        "latest": Call(
            "describe_launch_template_versions",
            {"LaunchTemplateId": "id", "Versions": "['$Latest']"},
            result="LaunchTemplateVersions[0]",
        ),
        # moto does not show later tags where AWS does
        "tags": Call(
            "describe_tags",
            {"Filters": "[{Name: 'resource-id', Values: [id]}]"},
            result="Tags",
        ),
    },
    also=("more.latest.LaunchTemplateData",),
    outputs={
        "arn": arn("ec2", "launch-template/{id}"),
        "name": "it.LaunchTemplateName",
        "defaultVersion": "it.DefaultVersionNumber",
        "latestVersion": "it.LatestVersionNumber",
        "description": "more.latest.VersionDescription",
        # moto adds the template's own tags, which AWS does not
        "tagSpecifications": "more.latest.LaunchTemplateData.TagSpecifications[?ResourceType != 'launch-template']",
    },
    rename={
        "vpcSecurityGroupIds": "SecurityGroupIds",
        "securityGroupNames": "SecurityGroups",
        "networkInterfaces.securityGroups": "Groups",
    },
    replaces=("name", "namePrefix"),
    settings=(
        Setting(
            ("defaultVersion",),
            [
                Call(
                    "modify_launch_template",
                    {"LaunchTemplateId": "id", "DefaultVersion": "to_string(inputs.defaultVersion)"},
                )
            ],
            initial={"defaultVersion": 1},
        ),
    ),
    update=(
        Call(
            "create_launch_template_version",
            {"LaunchTemplateId": "id", "VersionDescription": "inputs.description"},
            auto=True,
            into="LaunchTemplateData",
            omit=NOT_IN_DATA,
        ),
        USE_LATEST,
    ),
    volatile=("latestVersion", "defaultVersion"),
    tags=dataclasses.replace(ec2_tags("launch-template"), found="more.tags"),
    delete=[Call("delete_launch_template", {"LaunchTemplateId": "id"})],
    not_found=("InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException"),
    autoname="name",
    autoname_length=125,
    unique=("name",),
    ignored=("namePrefix", "updateDefaultVersion"),
    import_skip=("defaultVersion",),
)

TYPES: Final = (LAUNCH_TEMPLATE,)
