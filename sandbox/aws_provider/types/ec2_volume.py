"""EBS volumes and their attachments."""

from __future__ import annotations

import zlib
from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Type, View, Wait, arn, ec2_tags

__all__ = ["TYPES"]


def _not_smaller(view: View) -> Any:
    """The new size; a smaller one is refused as ModifyVolume does, which moto's does not (aws/aws-cli#4216).

    The official plugin plans a smaller size as an update in place too, so this comes at the update, not in the preview.
    """
    size = view.inputs.get("size")
    if size is not None and int(size) < int(view.it["Size"]):
        from botocore.exceptions import ClientError

        message = "New size cannot be smaller than existing size"
        raise ClientError({"Error": {"Code": "InvalidParameterValue", "Message": message}}, "ModifyVolume")
    return size


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
                        "Size": _not_smaller,
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

TYPES: Final = (VOLUME, VOLUME_ATTACHMENT)
