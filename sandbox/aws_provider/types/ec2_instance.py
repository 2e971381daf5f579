"""EC2 instances."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Source, Type, View, Wait, arn, ec2_tags, names

__all__ = ["TYPES"]


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


def _change(name: str, operation: str, send: Mapping[str, Source], *, stopped: bool = False) -> Setting:
    """A property that run_instances sets and one call on the instance changes."""
    call = Call(operation, {"InstanceId": "id", **send})
    return Setting((name,), _while_stopped(call) if stopped else [call], at_create=False)


def _attribute(name: str, member: str, source: Source | None = None, *, stopped: bool = False) -> Setting:
    return _change(name, "modify_instance_attribute", {member: source or f"inputs.{name}"}, stopped=stopped)


METADATA_MEMBERS: Final = names("HttpTokens HttpPutResponseHopLimit HttpEndpoint HttpProtocolIpv6 InstanceMetadataTags")
SETTINGS: Final = (
    _attribute("instanceType", "InstanceType.Value", stopped=True),
    # moto 5.2 wants user data encoded once more than botocore does
    _attribute("userData", "UserData.Value", lambda view: base64.b64encode(_user_data_sent(view)), stopped=True),
    _attribute("userDataBase64", "UserData.Value", lambda view: base64.b64encode(_user_data_sent(view)), stopped=True),
    _attribute("vpcSecurityGroupIds", "Groups"),
    _attribute("disableApiTermination", "DisableApiTermination.Value"),
    _attribute("ebsOptimized", "EbsOptimized.Value"),
    _change(
        "instanceInitiatedShutdownBehavior",
        "modify_instance_attribute",
        {
            "Attribute": "'instanceInitiatedShutdownBehavior'",
            "Value": "inputs.instanceInitiatedShutdownBehavior",
        },
    ),
    _change(
        "metadataOptions",
        "modify_instance_metadata_options",
        {name: f"inputs.metadataOptions.{name[0].lower()}{name[1:]}" for name in METADATA_MEMBERS},
    ),
    Setting(
        ("sourceDestCheck",),
        [Call("modify_instance_attribute", {"InstanceId": "id", "SourceDestCheck.Value": "inputs.sourceDestCheck"})],
        initial={"sourceDestCheck": True},
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
                {"AssociationId": _profile_association},
                when=_profile_association,
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
        [Call("create_tags", {"Resources": _volume_ids, "Tags": lambda view: _tag_list(view, "volumeTags")})],
    ),
)


def _described_attribute(name: str, member: str) -> Call:
    return Call("describe_instance_attribute", {"InstanceId": "id", "Attribute": f"'{name}'"}, result=f"{member}.Value")


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
        omit=names("subnetId vpcSecurityGroupIds privateIp userData volumeTags"),
    ),
    id="response.Instances[0].InstanceId",
    read=Call("describe_instances", {"InstanceIds": "[id]"}, result="Reservations[0].Instances[0]"),
    more={
        "volumes": Call(
            "describe_volumes", {"Filters": "[{Name: 'attachment.instance-id', Values: [id]}]"}, result="Volumes"
        ),
        "user_data": _described_attribute("userData", "UserData"),
        "keep": _described_attribute("disableApiTermination", "DisableApiTermination"),
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
    },
    replaces=names(
        "ami associatePublicIpAddress availabilityZone cpuOptions ebsBlockDevices ephemeralBlockDevices hibernation"
        " hostId instanceMarketOptions keyName launchTemplate placementGroup placementPartitionNumber privateIp"
        " rootBlockDevice subnetId tenancy"
    ),
    replaces_when={"userData": "userDataReplaceOnChange", "userDataBase64": "userDataReplaceOnChange"},
    settings=SETTINGS,
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
    ignored=names("forceDestroy userDataReplaceOnChange"),
    import_skip=names("forceDestroy userDataReplaceOnChange ebsBlockDevices privateIp userDataBase64"),
    unsupported=names(
        "capacityReservationSpecification creditSpecification disableApiStop enablePrimaryIpv6 enclaveOptions"
        " getPasswordData hostResourceGroupArn ipv6AddressCount ipv6Addresses maintenanceOptions networkInterfaces"
        " placementGroupId primaryNetworkInterface privateDnsNameOptions secondaryNetworkInterfaces"
        " secondaryPrivateIps securityGroups"
    ),
)

TYPES: Final = (INSTANCE,)
