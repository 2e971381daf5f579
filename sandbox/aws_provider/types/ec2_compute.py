"""EC2 machines and their disks: volume, attachment, instance, launch template."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Type, View, Wait, arn, ec2_tags

__all__ = ["TYPES"]

VOLUME: Final = Type(
    token="aws:ebs/volume:Volume",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_volume", auto=True),
    id="response.VolumeId",
    read=Call("describe_volumes", {"VolumeIds": "[id]"}, result="Volumes[0]"),
    outputs={"arn": arn("ec2", "volume/{id}")},
    rename={"type": "VolumeType"},
    replaces=("availabilityZone", "encrypted", "kmsKeyId", "multiAttachEnabled", "outpostArn", "snapshotId"),
    settings=(
        Setting(
            ("size", "type", "iops", "throughput"),
            [
                Call(
                    "modify_volume",
                    {
                        "VolumeId": "id",
                        "Size": "inputs.size",
                        "VolumeType": "inputs.type",
                        "Iops": "inputs.iops",
                        "Throughput": "inputs.throughput",
                    },
                )
            ],
            at_create=False,
        ),
    ),
    ready=Wait("it.State", done=["available", "in-use"], failed=["error"], timeout_seconds=300),
    gone=Wait("it.State", done=["deleted"], timeout_seconds=300),
    tags=ec2_tags("volume"),
    delete=[Call("delete_volume", {"VolumeId": "id"})],
    retry_delete=("VolumeInUse",),
    unsupported=("finalSnapshot", "volumeInitializationRate"),
)


def _attachment(view: View) -> Any:
    volumes = view.response.get("Volumes", ())
    attachments = (a for volume in volumes for a in volume.get("Attachments", ()))
    return next((a for a in attachments if a.get("InstanceId") == view.inputs.get("instanceId")), None)


def _attachment_id(view: View) -> str:
    """As the official plugin builds it: the CRC-32 of device, instance and volume."""
    parts = (view.inputs["deviceName"], view.inputs["instanceId"], view.inputs["volumeId"])
    return f"vai-{zlib.crc32(('-'.join(map(str, parts)) + '-').encode())}"


def _attachment_import(text: str, view: View) -> tuple[str, dict[str, Any]]:
    """`DEVICE_NAME:VOLUME_ID:INSTANCE_ID`, as the official plugin takes it."""
    device, volume, instance = text.split(":")
    view.inputs = {"deviceName": device, "volumeId": volume, "instanceId": instance}
    return _attachment_id(view), dict(view.inputs)


VOLUME_ATTACHMENT: Final = Type(
    token="aws:ec2/volumeAttachment:VolumeAttachment",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("attach_volume", auto=True),
    id=_attachment_id,
    read=Call("describe_volumes", {"VolumeIds": "[inputs.volumeId]"}, result=_attachment),
    rename={"deviceName": "Device"},
    replaces=("deviceName", "instanceId", "volumeId"),
    ready=Wait("it.State", done=["attached"]),
    gone=Wait("it.State", done=["detached"]),
    delete_first=True,
    before_delete=[
        Call("stop_instances", {"InstanceIds": "[inputs.instanceId]"}, when="inputs.stopInstanceBeforeDetaching")
    ],
    delete=[
        Call(
            "detach_volume",
            {"VolumeId": "inputs.volumeId", "InstanceId": "inputs.instanceId", "Force": "inputs.forceDetach"},
        )
    ],
    not_found=("InvalidVolume.NotFound", "InvalidAttachment.NotFound", "IncorrectState"),
    ignored=("forceDetach", "stopInstanceBeforeDetaching"),
    recover=lambda view: ":".join(str(view.inputs[name]) for name in ("deviceName", "volumeId", "instanceId")),
    import_id=_attachment_import,
    unsupported=("skipDestroy",),
)


def _wants_interface(view: View) -> bool:
    """`associatePublicIpAddress` can only be said on a network interface, which then takes subnet and groups too."""
    return view.inputs.get("associatePublicIpAddress") is not None


def _interfaces(view: View) -> Any:
    if not _wants_interface(view):
        return None
    given = view.inputs
    interface = {
        "DeviceIndex": 0,
        "AssociatePublicIpAddress": given["associatePublicIpAddress"],
        "SubnetId": given.get("subnetId"),
        "Groups": given.get("vpcSecurityGroupIds"),
        "PrivateIpAddress": given.get("privateIp"),
    }
    return [{name: value for name, value in interface.items() if value is not None}]


def _unless_interface(name: str) -> Any:
    return lambda view: None if _wants_interface(view) else view.inputs.get(name)


def _devices(view: View) -> list[dict[str, Any]] | None:
    """Root and further disks in AWS's one list; the root's device name is the image's."""
    given = view.inputs
    root = given.get("rootBlockDevice")
    disks = [{"deleteOnTermination": True, **disk} for disk in given.get("ebsBlockDevices") or []]
    disks += [{"deleteOnTermination": True, **root, "deviceName": _root_device(view)}] if root else []
    members = ("deleteOnTermination", "encrypted", "iops", "kmsKeyId", "snapshotId", "throughput", "volumeSize")
    mappings: list[dict[str, Any]] = [
        {
            "deviceName": disk["deviceName"],
            "ebs": {name: disk[name] for name in (*members, "volumeType") if disk.get(name) is not None},
        }
        for disk in disks
    ]
    mappings += [
        {"deviceName": disk["deviceName"], "virtualName": disk["virtualName"]}
        for disk in given.get("ephemeralBlockDevices") or []
    ]
    return mappings or None


def _root_device(view: View) -> str:
    image = view.inputs.get("ami")
    if image is None:
        return "/dev/xvda"
    return str(view.call("ec2", "describe_images", ImageIds=[image])["Images"][0]["RootDeviceName"])


def _disk(view: View, volume: dict[str, Any]) -> dict[str, Any]:
    attached = next(a for a in volume["Attachments"] if a["InstanceId"] == view.id)
    tags = {tag["Key"]: tag["Value"] for tag in volume.get("Tags", ())}
    return {
        **volume,
        "VolumeSize": volume["Size"],
        "DeviceName": attached["Device"],
        "DeleteOnTermination": attached.get("DeleteOnTermination", False),
        "Tags": tags,
        "TagsAll": tags,
    }


def _root_disk(view: View) -> Any:
    disks = [_disk(view, volume) for volume in view.more.get("volumes") or ()]
    return next((disk for disk in disks if disk["DeviceName"] == view.it.get("RootDeviceName")), None)


def _other_disks(view: View) -> list[dict[str, Any]]:
    disks = [_disk(view, volume) for volume in view.more.get("volumes") or ()]
    return [disk for disk in disks if disk["DeviceName"] != view.it.get("RootDeviceName")]


def _user_data(view: View) -> str | None:
    text = (view.more or {}).get("user_data")
    return base64.b64decode(text).decode(errors="replace") if text and not view.inputs.get("userDataBase64") else None


def _user_data_sent(view: View) -> bytes:
    """The bytes the instance is to see; botocore encodes them."""
    encoded = view.inputs.get("userDataBase64")
    return base64.b64decode(encoded) if encoded else str(view.inputs.get("userData") or "").encode()


def _launch_template(view: View) -> Any:
    """What started the instance: AWS keeps it as tags, with the version it resolved to.

    A program that says `$Latest` or `$Default` keeps its word, as with the official plugin.
    """
    tags = {tag["Key"]: tag["Value"] for tag in view.it.get("Tags", ())}
    template = tags.get("aws:ec2launchtemplate:id")
    said = (view.inputs.get("launchTemplate") or {}).get("version") or "$Default"
    version = said if str(said).startswith("$") else tags.get("aws:ec2launchtemplate:version")
    return {"LaunchTemplateId": template, "Version": version} if template else None


def _while_stopped(call: Call) -> list[Call]:
    """AWS changes these only while the instance does not run."""
    return [
        Call("stop_instances", {"InstanceIds": "[id]"}),
        call,
        Call("start_instances", {"InstanceIds": "[id]"}),
    ]


def _attribute(member: str, name: str) -> Setting:
    """A property that modify_instance_attribute changes at any time."""
    call = Call("modify_instance_attribute", {"InstanceId": "id", f"{member}.Value": f"inputs.{name}"})
    return Setting((name,), [call], at_create=False)


INSTANCE: Final = Type(
    token="aws:ec2/instance:Instance",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call(
        "run_instances",
        {
            "MinCount": "`1`",
            "MaxCount": "`1`",
            "NetworkInterfaces": _interfaces,
            "SubnetId": _unless_interface("subnetId"),
            "SecurityGroupIds": _unless_interface("vpcSecurityGroupIds"),
            "PrivateIpAddress": _unless_interface("privateIp"),
            "BlockDeviceMappings": _devices,
            "UserData": lambda view: _user_data_sent(view) or None,
        },
        auto=True,
        omit=["subnetId", "vpcSecurityGroupIds", "privateIp", "userData", "volumeTags"],
    ),
    id="response.Instances[0].InstanceId",
    read=Call("describe_instances", {"InstanceIds": "[id]"}, result="Reservations[0].Instances[0]"),
    more={
        "volumes": Call(
            "describe_volumes",
            {"Filters": "[{Name: 'attachment.instance-id', Values: [id]}]"},
            result="Volumes",
        ),
        "user_data": Call(
            "describe_instance_attribute",
            {"InstanceId": "id", "Attribute": "'userData'"},
            result="UserData.Value",
        ),
        "keep": Call(
            "describe_instance_attribute",
            {"InstanceId": "id", "Attribute": "'disableApiTermination'"},
            result="DisableApiTermination.Value",
        ),
    },
    outputs={
        "arn": arn("ec2", "instance/{id}"),
        "associatePublicIpAddress": "it.PublicIpAddress != `null`",
        "disableApiTermination": "more.keep",
        "ebsBlockDevices": _other_disks,
        "iamInstanceProfile": lambda view: view.it.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2],
        "instanceState": "it.State.Name",
        "launchTemplate": _launch_template,
        "monitoring": "it.Monitoring.State == 'enabled'",
        "networkInterfaces": "`[]`",
        "primaryNetworkInterfaceId": "it.NetworkInterfaces[0].NetworkInterfaceId",
        "privateDns": "it.PrivateDnsName",
        "privateIp": "it.PrivateIpAddress",
        "publicDns": "it.PublicDnsName",
        "publicIp": "it.PublicIpAddress",
        "rootBlockDevice": _root_disk,
        "securityGroups": "`[]`",
        "userData": _user_data,
        "vpcSecurityGroupIds": "it.SecurityGroups[].GroupId",
    },
    rename={
        "ami": "ImageId",
        "availabilityZone": "Placement.AvailabilityZone",
        "hostId": "Placement.HostId",
        "placementGroup": "Placement.GroupName",
        "placementPartitionNumber": "Placement.PartitionNumber",
        "tenancy": "Placement.Tenancy",
        "monitoring": "Monitoring.Enabled",
        "hibernation": "HibernationOptions.Configured",
        "iamInstanceProfile": "IamInstanceProfile.Name",
        "launchTemplate.id": "LaunchTemplateId",
        "launchTemplate.name": "LaunchTemplateName",
        "instanceMarketOptions": "InstanceMarketOptions",
    },
    replaces=(
        "ami",
        "associatePublicIpAddress",
        "availabilityZone",
        "cpuOptions",
        "ebsBlockDevices",
        "ephemeralBlockDevices",
        "hibernation",
        "hostId",
        "instanceMarketOptions",
        "keyName",
        "launchTemplate",
        "placementGroup",
        "placementPartitionNumber",
        "privateIp",
        "rootBlockDevice",
        "subnetId",
        "tenancy",
    ),
    replaces_when={"userData": "userDataReplaceOnChange", "userDataBase64": "userDataReplaceOnChange"},
    settings=(
        Setting(
            ("instanceType",),
            _while_stopped(
                Call("modify_instance_attribute", {"InstanceId": "id", "InstanceType.Value": "inputs.instanceType"})
            ),
            at_create=False,
        ),
        Setting(
            ("userData", "userDataBase64"),
            _while_stopped(
                Call(
                    "modify_instance_attribute",
                    {
                        "InstanceId": "id",
                        # moto 5.2 wants it encoded once more than botocore does
                        "UserData.Value": lambda view: base64.b64encode(_user_data_sent(view)),
                    },
                )
            ),
            at_create=False,
        ),
        Setting(
            ("vpcSecurityGroupIds",),
            [Call("modify_instance_attribute", {"InstanceId": "id", "Groups": "inputs.vpcSecurityGroupIds"})],
            at_create=False,
        ),
        _attribute("DisableApiTermination", "disableApiTermination"),
        _attribute("EbsOptimized", "ebsOptimized"),
        Setting(
            ("instanceInitiatedShutdownBehavior",),
            [
                Call(
                    "modify_instance_attribute",
                    {
                        "InstanceId": "id",
                        "Attribute": "'instanceInitiatedShutdownBehavior'",
                        "Value": "inputs.instanceInitiatedShutdownBehavior",
                    },
                )
            ],
            at_create=False,
        ),
        Setting(
            ("sourceDestCheck",),
            [
                Call(
                    "modify_instance_attribute",
                    {"InstanceId": "id", "SourceDestCheck.Value": "inputs.sourceDestCheck"},
                )
            ],
            initial={"sourceDestCheck": True},
        ),
        Setting(
            ("metadataOptions",),
            [
                Call(
                    "modify_instance_metadata_options",
                    {
                        "InstanceId": "id",
                        "HttpTokens": "inputs.metadataOptions.httpTokens",
                        "HttpPutResponseHopLimit": "inputs.metadataOptions.httpPutResponseHopLimit",
                        "HttpEndpoint": "inputs.metadataOptions.httpEndpoint",
                        "HttpProtocolIpv6": "inputs.metadataOptions.httpProtocolIpv6",
                        "InstanceMetadataTags": "inputs.metadataOptions.instanceMetadataTags",
                    },
                )
            ],
            at_create=False,
        ),
        Setting(
            ("monitoring",),
            [
                Call("monitor_instances", {"InstanceIds": "[id]"}, when="inputs.monitoring"),
                Call("unmonitor_instances", {"InstanceIds": "[id]"}, when="!(inputs.monitoring)"),
            ],
            at_create=False,
        ),
        Setting(
            ("iamInstanceProfile",),
            [
                Call(
                    "disassociate_iam_instance_profile",
                    {"AssociationId": lambda view: _profile_association(view)},
                    when=lambda view: _profile_association(view),
                ),
                Call(
                    "associate_iam_instance_profile",
                    {"InstanceId": "id", "IamInstanceProfile.Name": "inputs.iamInstanceProfile"},
                    when="inputs.iamInstanceProfile",
                ),
            ],
            at_create=False,
        ),
        Setting(
            ("volumeTags",),
            [
                Call(
                    "create_tags",
                    {"Resources": lambda view: _volume_ids(view), "Tags": lambda view: _tag_list(view, "volumeTags")},
                )
            ],
        ),
    ),
    ready=Wait("it.State.Name", done=["running", "stopped"], failed=["terminated"], timeout_seconds=600),
    gone=Wait("it.State.Name", done=["terminated"], timeout_seconds=600),
    tags=ec2_tags("instance"),
    before_delete=[
        Call(
            "modify_instance_attribute",
            {"InstanceId": "id", "DisableApiTermination.Value": "`false`"},
            when="inputs.forceDestroy",
        )
    ],
    delete=[Call("terminate_instances", {"InstanceIds": "[id]"})],
    defaults={
        "forceDestroy": False,
        "getPasswordData": False,
        "sourceDestCheck": True,
        "userDataReplaceOnChange": False,
    },
    ignored=("forceDestroy", "userDataReplaceOnChange"),
    import_skip=("forceDestroy", "userDataReplaceOnChange", "ebsBlockDevices", "privateIp", "userDataBase64"),
    unsupported=(
        "capacityReservationSpecification",
        "creditSpecification",
        "disableApiStop",
        "enablePrimaryIpv6",
        "enclaveOptions",
        "getPasswordData",
        "hostResourceGroupArn",
        "ipv6AddressCount",
        "ipv6Addresses",
        "maintenanceOptions",
        "networkInterfaces",
        "placementGroupId",
        "primaryNetworkInterface",
        "privateDnsNameOptions",
        "secondaryNetworkInterfaces",
        "secondaryPrivateIps",
        "securityGroups",
    ),
)


def _profile_association(view: View) -> str | None:
    filters = [{"Name": "instance-id", "Values": [view.id]}]
    found = view.call("ec2", "describe_iam_instance_profile_associations", Filters=filters)
    associations = found["IamInstanceProfileAssociations"]
    return str(associations[0]["AssociationId"]) if associations else None


def _volume_ids(view: View) -> list[str]:
    filters = [{"Name": "attachment.instance-id", "Values": [view.id]}]
    return [volume["VolumeId"] for volume in view.call("ec2", "describe_volumes", Filters=filters)["Volumes"]]


def _tag_list(view: View, name: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (view.inputs.get(name) or {}).items()]


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

TYPES: Final = (VOLUME, VOLUME_ATTACHMENT, INSTANCE, LAUNCH_TEMPLATE)
