"""S3: buckets, and what the 7.x SDK configures by resources of their own (the bucket's own old blocks are refused)."""

from __future__ import annotations

from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Tags, Type, View
from sandbox.aws_provider.sources import policy_found, policy_meaning, policy_sent

__all__ = ["TYPES"]

# https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints
HOSTED_ZONES: Final = {
    "ap-east-1": "ZNB98KWMFR0R6",
    "ap-northeast-1": "Z2M4EHUR26P7ZW",
    "ap-northeast-2": "Z3W03O7B5YMIYP",
    "ap-south-1": "Z11RGJOFQNVJUP",
    "ap-southeast-1": "Z3O0J2DXBE1FTB",
    "ap-southeast-2": "Z1WCIGYICN2BYD",
    "ca-central-1": "Z1QDHH18159H29",
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-north-1": "Z3BAZG2TWCNX0D",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-west-2": "Z3GKZC51ZF0DB4",
    "eu-west-3": "Z3R1K369G5AVDG",
    "sa-east-1": "Z7KQH4QJS55SO",
    "us-east-1": "Z3AQBSTGFJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
}
NO_BUCKET: Final = ("404", "NoSuchBucket")


def _objects(view: View) -> dict[str, Any] | None:
    """What is left in a bucket that may be emptied (`forceDestroy`): all pages but the last are deleted here."""
    if not view.outputs.get("forceDestroy"):
        return None
    while True:
        page = view.call("s3", "list_object_versions", Bucket=view.id)
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        batch = {"Objects": [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found], "Quiet": True}
        if not page.get("IsTruncated"):
            return batch if found else None
        view.call("s3", "delete_objects", Bucket=view.id, Delete=batch)


BUCKET: Final = Type(
    token="aws:s3/bucket:Bucket",  # noqa: S106 a Pulumi type token
    service="s3",
    create=Call(
        "create_bucket",
        {
            "Bucket": "inputs.bucket",
            "ObjectLockEnabledForBucket": "inputs.objectLockEnabled",
            # us-east-1 is the one region that must not be named
            "CreateBucketConfiguration.LocationConstraint": "[region][?@ != 'us-east-1'] | [0]",
        },
    ),
    id="inputs.bucket",
    recover="inputs.bucket",
    read=Call("head_bucket", {"Bucket": "id"}),
    more={"tags": Call("get_bucket_tagging", {"Bucket": "id"}, result="TagSet")},
    outputs={
        "arn": "join('', ['arn:', partition, ':s3:::', id])",
        "bucket": "id",
        "bucketDomainName": "join('', [id, '.s3.', dns_suffix])",
        "bucketNamespace": "'global'",
        "bucketRegion": "region",
        "bucketRegionalDomainName": "join('', [id, '.s3.', region, '.', dns_suffix])",
        "hostedZoneId": lambda view: HOSTED_ZONES.get(view.region, ""),
    },
    replaces=("bucket", "bucketPrefix", "objectLockEnabled"),
    tags=Tags(
        add=Call("put_bucket_tagging", {"Bucket": "id", "Tagging.TagSet": "tags"}),
        member=None,
        found="more.tags",
        replace=True,
    ),
    delete=[
        Call("delete_objects", {"Bucket": "id", "Delete": _objects}, when=_objects),
        Call("delete_bucket", {"Bucket": "id"}),
    ],
    not_found=(*NO_BUCKET, "NoSuchTagSet"),
    defaults={"forceDestroy": False},
    autoname="bucket",
    autoname_length=63,
    ignored=("forceDestroy",),
    unsupported=(
        "accelerationStatus",
        "acl",
        "bucketNamespace",
        "corsRules",
        "grants",
        "lifecycleRules",
        "logging",
        "objectLockConfiguration",
        "policy",
        "replicationConfiguration",
        "requestPayer",
        "serverSideEncryptionConfiguration",
        "versioning",
        "website",
    ),
    unique=("bucket",),
)

BLOCKS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
PUT_PUBLIC_ACCESS_BLOCK: Final = Call(
    "put_public_access_block",
    {"Bucket": "inputs.bucket"}
    | {f"PublicAccessBlockConfiguration.{name[0].upper()}{name[1:]}": f"inputs.{name} || `false`" for name in BLOCKS},
)

PUBLIC_ACCESS_BLOCK: Final = Type(
    token="aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",  # noqa: S106 a Pulumi type token
    service="s3",
    create=PUT_PUBLIC_ACCESS_BLOCK,
    id="inputs.bucket",
    recover="inputs.bucket",
    read=Call("get_public_access_block", {"Bucket": "id"}, result="PublicAccessBlockConfiguration"),
    outputs={"bucket": "id"},
    replaces=("bucket",),
    update=PUT_PUBLIC_ACCESS_BLOCK,
    delete=[Call("delete_public_access_block", {"Bucket": "id"}, ignore=NO_BUCKET)],
    not_found=(*NO_BUCKET, "NoSuchPublicAccessBlockConfiguration"),
    defaults=dict.fromkeys(BLOCKS, False),
    unsupported=("skipDestroy",),
    unique=("bucket",),
)

PUT_ENCRYPTION: Final = Call("put_bucket_encryption", auto=True)

ENCRYPTION: Final = Type(
    token="aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",  # noqa: S106
    service="s3",
    create=PUT_ENCRYPTION,
    id="inputs.bucket",
    recover="inputs.bucket",
    read=Call("get_bucket_encryption", {"Bucket": "id"}),
    rename={"rules": "ServerSideEncryptionConfiguration.Rules"},
    outputs={"bucket": "id"},
    replaces=("bucket", "expectedBucketOwner"),
    update=PUT_ENCRYPTION,
    delete=[Call("delete_bucket_encryption", {"Bucket": "id"}, ignore=NO_BUCKET)],
    not_found=(*NO_BUCKET, "ServerSideEncryptionConfigurationNotFoundError"),
    unique=("bucket",),
)

PUT_VERSIONING: Final = Call(
    "put_bucket_versioning",
    {
        "Bucket": "inputs.bucket",
        "ExpectedBucketOwner": "inputs.expectedBucketOwner",
        "VersioningConfiguration.Status": "inputs.versioningConfiguration.status",
        "VersioningConfiguration.MFADelete": "inputs.versioningConfiguration.mfaDelete",
        "MFA": "inputs.mfa",
    },
)

VERSIONING: Final = Type(
    token="aws:s3/bucketVersioning:BucketVersioning",  # noqa: S106 a Pulumi type token
    service="s3",
    create=PUT_VERSIONING,
    id="inputs.bucket",
    recover="inputs.bucket",
    read=Call("get_bucket_versioning", {"Bucket": "id"}, result="Status && {VersioningConfiguration: @}"),
    rename={"versioningConfiguration.mfaDelete": "MFADelete"},
    outputs={"bucket": "id"},
    replaces=("bucket", "expectedBucketOwner"),
    update=PUT_VERSIONING,
    # AWS cannot take versioning away, only suspend it: there is nothing whose end could be waited for.
    before_delete=[
        Call(
            "put_bucket_versioning",
            {"Bucket": "id", "VersioningConfiguration.Status": "'Suspended'"},
            ignore=NO_BUCKET,
        )
    ],
    delete=(),
    not_found=NO_BUCKET,
    unique=("bucket",),
)

PUT_LIFECYCLE: Final = Call("put_bucket_lifecycle_configuration", auto=True)

LIFECYCLE: Final = Type(
    token="aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",  # noqa: S106 a Pulumi type token
    service="s3",
    create=PUT_LIFECYCLE,
    id="inputs.bucket",
    recover="inputs.bucket",
    read=Call(
        "get_bucket_lifecycle_configuration",
        {"Bucket": "id"},
        result="{LifecycleConfiguration: {Rules: Rules}, "
        "TransitionDefaultMinimumObjectSize: TransitionDefaultMinimumObjectSize}",
    ),
    rename={"rules": "LifecycleConfiguration.Rules"},
    outputs={"bucket": "id"},
    replaces=("bucket", "expectedBucketOwner"),
    update=PUT_LIFECYCLE,
    delete=[Call("delete_bucket_lifecycle", {"Bucket": "id"}, ignore=NO_BUCKET)],
    not_found=(*NO_BUCKET, "NoSuchLifecycleConfiguration"),
    ignored=("timeouts",),
    unique=("bucket",),
)

PUT_POLICY: Final = Call("put_bucket_policy", {"Bucket": "inputs.bucket", "Policy": policy_sent("policy")})

POLICY: Final = Type(
    token="aws:s3/bucketPolicy:BucketPolicy",  # noqa: S106 a Pulumi type token
    service="s3",
    create=PUT_POLICY,
    id="inputs.bucket",
    recover="inputs.bucket",
    read=Call("get_bucket_policy", {"Bucket": "id"}),
    outputs={"bucket": "id", "policy": policy_found("policy", lambda view: view.it["Policy"])},
    replaces=("bucket",),
    settings=(Setting(("policy",), [PUT_POLICY], at_create=False),),
    delete=[Call("delete_bucket_policy", {"Bucket": "id"}, ignore=NO_BUCKET)],
    not_found=(*NO_BUCKET, "NoSuchBucketPolicy"),
    same={"policy": policy_meaning},
    unique=("bucket",),
)

TYPES: Final = (BUCKET, PUBLIC_ACCESS_BLOCK, ENCRYPTION, VERSIONING, LIFECYCLE, POLICY)
