"""Look-ups (`get…` functions of the SDK): one function each, from arguments to the result the SDK declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandbox.aws_provider.calls import parse_tags
from sandbox.aws_provider.clients import Clients
from sandbox.aws_provider.convert import object_from_aws
from sandbox.aws_provider.description import ec2_tags
from sandbox.aws_provider.document import search
from sandbox.aws_provider.errors import explain
from sandbox.aws_provider.invokes_network import (
    filters_of,
    instance_type_offerings,
    managed_prefix_list,
    route_table,
    route_tables,
    subnet,
    subnets,
    vpc,
)
from sandbox.aws_provider.schema import Schema, is_optional, zero
from sandbox.plugin import PluginError

__all__ = ["INVOKES", "LookUp", "invoke"]

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LookUp:
    """One look-up, and the service and operation that it asks, for messages."""

    find: Callable[[Arguments, Clients, str], dict[str, Any]]
    service: str
    operation: str


def invoke(token: str, arguments: Arguments, clients: Clients, schema: Schema) -> dict[str, Any]:
    """Run a look-up; the result has every field the SDK declares."""
    region = str(arguments.get("region") or clients.configuration.region)
    declared = schema.functions[token]
    unknown = sorted(set(arguments) - set(declared.inputs))
    if unknown:
        raise PluginError(f"invoking {token}: unknown argument {unknown[0]}")
    look_up = INVOKES[token]
    try:
        clients.check_region(region)
        found = look_up.find(arguments, clients, region)
    except Exception as error:
        raise explain(
            error,
            action="invoking",
            urn=token,
            service=look_up.service,
            operation=look_up.operation,
            inputs=arguments,
        ) from error
    plain = object_from_aws({**arguments, "region": region, **found}, declared.outputs, schema, "", {})
    for name, kind in declared.outputs.items():
        if name not in plain and not is_optional(kind):
            plain[name] = zero(kind)
    return {name: value for name, value in plain.items() if value is not None}


def _caller_identity(_: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    answer = clients.client("sts", region).get_caller_identity()
    return {"id": answer["Account"], "accountId": answer["Account"], "arn": answer["Arn"], "userId": answer["UserId"]}


def _region(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    name = str(arguments.get("name") or region)
    suffix = clients.partition(name)[1]
    described = _region_description(name)
    return {"id": name, "name": name, "region": name, "endpoint": f"ec2.{name}.{suffix}", "description": described}


def _region_description(name: str) -> str:
    """The region's name as the console shows it, from botocore's endpoint data."""
    import botocore.loaders

    for partition in botocore.loaders.Loader().load_data("endpoints")["partitions"]:
        if name in partition["regions"]:
            return str(partition["regions"][name]["description"])
    return name


def _partition(_: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    partition, suffix = clients.partition(region)
    reverse = ".".join(reversed(suffix.split(".")))
    return {"id": partition, "partition": partition, "dnsSuffix": suffix, "reverseDnsPrefix": reverse}


def _availability_zones(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    filters = filters_of(arguments)
    if arguments.get("state"):
        filters.append({"Name": "state", "Values": [arguments["state"]]})
    zones = clients.client("ec2", region).describe_availability_zones(
        Filters=filters, AllAvailabilityZones=bool(arguments.get("allAvailabilityZones"))
    )["AvailabilityZones"]
    without_names, without_ids = arguments.get("excludeNames") or (), arguments.get("excludeZoneIds") or ()
    zones = [z for z in zones if z["ZoneName"] not in without_names and z.get("ZoneId") not in without_ids]
    zones.sort(key=lambda zone: zone["ZoneName"])
    return {
        "id": region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": sorted({zone.get("GroupName") or zone["RegionName"] for zone in zones}),
    }


def _ami(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    members: dict[str, Any] = {"Filters": filters_of(arguments)}
    for member, name in (("Owners", "owners"), ("ExecutableUsers", "executableUsers")):
        if arguments.get(name):
            members[member] = list(arguments[name])
    images = clients.client("ec2", region).describe_images(**members)["Images"]
    pattern = arguments.get("nameRegex")
    images = [image for image in images if not pattern or re.search(pattern, image.get("Name", ""))]
    image = _only_image(images, most_recent=bool(arguments.get("mostRecent")))
    devices = image.get("BlockDeviceMappings", [])
    root: Mapping[str, Any] = next((d for d in devices if d.get("DeviceName") == image.get("RootDeviceName")), {})
    return {
        **image,
        "id": image["ImageId"],
        "arn": f"arn:{clients.partition(region)[0]}:ec2:{region}::image/{image['ImageId']}",
        "rootSnapshotId": root.get("Ebs", {}).get("SnapshotId", ""),
        "blockDeviceMappings": [_image_device(device) for device in devices],
        "tags": parse_tags(ec2_tags("image"), image.get("Tags")),
        "stateReason": image.get("StateReason") or {},
        "filters": arguments.get("filters"),
    }


def _only_image(images: Sequence[dict[str, Any]], *, most_recent: bool) -> dict[str, Any]:
    if not images:
        raise PluginError(
            "invoking aws:ec2/getAmi:getAmi: Your query returned no results. Please change your search criteria. "
            "(The sandbox has the seeded images only; see sandbox/fake_aws_seeds.py.)"
        )
    if len(images) > 1 and not most_recent:
        raise PluginError(
            "invoking aws:ec2/getAmi:getAmi: Your query returned more than one result. "
            "Please try a more specific search criteria, or set `most_recent` to true."
        )
    return max(images, key=lambda image: str(image.get("CreationDate", "")))


def _image_device(device: Mapping[str, Any]) -> dict[str, Any]:
    """As the official plugin gives it: a map of texts."""
    names = (
        ("delete_on_termination", "DeleteOnTermination"),
        ("encrypted", "Encrypted"),
        ("iops", "Iops"),
        ("snapshot_id", "SnapshotId"),
        ("throughput", "Throughput"),
        ("volume_size", "VolumeSize"),
        ("volume_type", "VolumeType"),
    )
    ebs = device.get("Ebs", {})
    return {
        "DeviceName": device.get("DeviceName", ""),
        "VirtualName": device.get("VirtualName", ""),
        "NoDevice": device.get("NoDevice", ""),
        "Ebs": {name: ebs.get(member, 0 if name in ("iops", "throughput") else "") for name, member in names},
    }


def _parameter(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    decrypt = arguments.get("withDecryption", True)
    answer = clients.client("ssm", region).get_parameter(Name=arguments["name"], WithDecryption=bool(decrypt))
    parameter = answer["Parameter"]
    return {
        "id": parameter["Name"],
        "arn": parameter.get("ARN", ""),
        "name": parameter["Name"],
        "type": parameter["Type"],
        "value": parameter["Value"],
        "insecureValue": "" if parameter["Type"] == "SecureString" else parameter["Value"],
        "version": parameter.get("Version", 0),
        "withDecryption": decrypt,
    }


# Outputs whose AWS name is not theirs, as JMESPath over an InstanceTypeInfo.
INSTANCE_TYPE: Final = {
    "bootModes": "SupportedBootModes",
    "defaultVcpus": "VCpuInfo.DefaultVCpus",
    "defaultCores": "VCpuInfo.DefaultCores",
    "defaultThreadsPerCore": "VCpuInfo.DefaultThreadsPerCore",
    "memorySize": "MemoryInfo.SizeInMiB",
    "ebsEncryptionSupport": "EbsInfo.EncryptionSupport",
    "ebsNvmeSupport": "EbsInfo.NvmeSupport",
    "ebsOptimizedSupport": "EbsInfo.EbsOptimizedSupport",
    "ebsPerformanceBaselineBandwidth": "EbsInfo.EbsOptimizedInfo.BaselineBandwidthInMbps",
    "ebsPerformanceBaselineIops": "EbsInfo.EbsOptimizedInfo.BaselineIops",
    "ebsPerformanceBaselineThroughput": "EbsInfo.EbsOptimizedInfo.BaselineThroughputInMBps",
    "ebsPerformanceMaximumBandwidth": "EbsInfo.EbsOptimizedInfo.MaximumBandwidthInMbps",
    "ebsPerformanceMaximumIops": "EbsInfo.EbsOptimizedInfo.MaximumIops",
    "ebsPerformanceMaximumThroughput": "EbsInfo.EbsOptimizedInfo.MaximumThroughputInMBps",
    "efaSupported": "NetworkInfo.EfaSupported",
    "efaMaximumInterfaces": "NetworkInfo.EfaInfo.MaximumEfaInterfaces",
    "enaSupport": "NetworkInfo.EnaSupport",
    "enaSrdSupported": "NetworkInfo.EnaSrdSupported",
    "encryptionInTransitSupported": "NetworkInfo.EncryptionInTransitSupported",
    "ipv6Supported": "NetworkInfo.Ipv6Supported",
    "maximumIpv4AddressesPerInterface": "NetworkInfo.Ipv4AddressesPerInterface",
    "maximumIpv6AddressesPerInterface": "NetworkInfo.Ipv6AddressesPerInterface",
    "maximumNetworkCards": "NetworkInfo.MaximumNetworkCards",
    "maximumNetworkInterfaces": "NetworkInfo.MaximumNetworkInterfaces",
    "networkPerformance": "NetworkInfo.NetworkPerformance",
    "defaultNetworkCardIndex": "NetworkInfo.DefaultNetworkCardIndex",
    "networkCards": "NetworkInfo.NetworkCards[].{Index: NetworkCardIndex, Performance: NetworkPerformance, "
    "BaselineBandwidth: BaselineBandwidthInGbps, PeakBandwidth: PeakBandwidthInGbps, "
    "MaximumInterfaces: MaximumNetworkInterfaces}",
    "gpuses": "GpuInfo.Gpus[].{Count: Count, Manufacturer: Manufacturer, Name: Name, MemorySize: MemoryInfo.SizeInMiB}",
    "totalGpuMemory": "GpuInfo.TotalGpuMemoryInMiB",
    "instanceDisks": "InstanceStorageInfo.Disks[].{Count: Count, Size: SizeInGB, Type: Type}",
    "totalInstanceStorage": "InstanceStorageInfo.TotalSizeInGB",
    "nitroTpmSupportedVersions": "NitroTpmInfo.SupportedVersions",
    "supportedArchitectures": "ProcessorInfo.SupportedArchitectures",
    "supportedCpuFeatures": "ProcessorInfo.SupportedFeatures",
    "sustainedClockSpeed": "ProcessorInfo.SustainedClockSpeedInGhz",
    "supportedPlacementStrategies": "PlacementGroupInfo.SupportedStrategies",
    "supportedUsagesClasses": "SupportedUsageClasses",
}


def _instance_type(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    name = arguments["instanceType"]
    found = clients.client("ec2", region).describe_instance_types(InstanceTypes=[name])["InstanceTypes"]
    if not found:
        raise PluginError(f"invoking aws:ec2/getInstanceType:getInstanceType: no instance type {name} in {region}")
    told = {output: search(expression, found[0]) for output, expression in INSTANCE_TYPE.items()}
    return {**found[0], **told, "id": name, "instanceType": name}


def _volumes(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    """Ids of the volumes that fit; none is no error."""
    filters = filters_of(arguments)
    filters += [{"Name": f"tag:{key}", "Values": [value]} for key, value in (arguments.get("tags") or {}).items()]
    found = clients.client("ec2", region).describe_volumes(Filters=filters)["Volumes"]
    return {"id": region, "ids": [volume["VolumeId"] for volume in found], "filters": arguments.get("filters")}


def _volume(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    found = clients.client("ec2", region).describe_volumes(Filters=filters_of(arguments))["Volumes"]
    if not found:
        raise PluginError(
            "invoking aws:ebs/getVolume:getVolume: Your query returned no results. Please change your search criteria"
        )
    if len(found) > 1 and not arguments.get("mostRecent"):
        raise PluginError(
            "invoking aws:ebs/getVolume:getVolume: Your query returned more than one result. "
            "Please try a more specific search criteria, or set `most_recent` to true."
        )
    volume = max(found, key=lambda volume: str(volume["CreateTime"]))
    identity = volume["VolumeId"]
    return {
        **volume,
        "id": identity,
        "volumeId": identity,
        "arn": f"arn:{clients.partition(region)[0]}:ec2:{region}:{clients.account}:volume/{identity}",
        "tags": parse_tags(ec2_tags("volume"), volume.get("Tags")),
        "filters": arguments.get("filters"),
        "createTime": volume["CreateTime"].isoformat(),
    }


INVOKES: Final[Mapping[str, LookUp]] = {
    "aws:ebs/getEbsVolumes:getEbsVolumes": LookUp(_volumes, "ec2", "describe_volumes"),
    "aws:ebs/getVolume:getVolume": LookUp(_volume, "ec2", "describe_volumes"),
    "aws:ec2/getAmi:getAmi": LookUp(_ami, "ec2", "describe_images"),
    "aws:ec2/getInstanceType:getInstanceType": LookUp(_instance_type, "ec2", "describe_instance_types"),
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": LookUp(
        instance_type_offerings, "ec2", "describe_instance_type_offerings"
    ),
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": LookUp(
        managed_prefix_list, "ec2", "describe_managed_prefix_lists"
    ),
    "aws:ec2/getRouteTable:getRouteTable": LookUp(route_table, "ec2", "describe_route_tables"),
    "aws:ec2/getRouteTables:getRouteTables": LookUp(route_tables, "ec2", "describe_route_tables"),
    "aws:ec2/getSubnet:getSubnet": LookUp(subnet, "ec2", "describe_subnets"),
    "aws:ec2/getSubnets:getSubnets": LookUp(subnets, "ec2", "describe_subnets"),
    "aws:ec2/getVpc:getVpc": LookUp(vpc, "ec2", "describe_vpcs"),
    "aws:index/getAvailabilityZones:getAvailabilityZones": LookUp(
        _availability_zones, "ec2", "describe_availability_zones"
    ),
    "aws:index/getCallerIdentity:getCallerIdentity": LookUp(_caller_identity, "sts", "get_caller_identity"),
    "aws:index/getPartition:getPartition": LookUp(_partition, "sts", "get_caller_identity"),
    "aws:index/getRegion:getRegion": LookUp(_region, "ec2", "describe_regions"),
    "aws:ssm/getParameter:getParameter": LookUp(_parameter, "ssm", "get_parameter"),
}
