"""Buckets and their sub-resources."""

from __future__ import annotations

import json

import pytest

from sandbox.plugin import PluginError
from tests.integration.aws_provider.support_world import REGION, Live, World

BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"


def a_bucket(world: World, **inputs: object) -> Live:
    return world.up("aws:s3/bucket:Bucket", "weights", **inputs)


def test_a_bucket_lives_from_create_to_delete(world: World) -> None:
    bucket = a_bucket(world, tags={"a": "1"})
    assert bucket.id.startswith("weights-")
    assert bucket.outputs["arn"] == f"arn:aws:s3:::{bucket.id}"
    assert bucket.outputs["bucketRegionalDomainName"] == f"{bucket.id}.s3.{REGION}.amazonaws.com"
    assert bucket.outputs["hostedZoneId"] == "Z21DNDUVLTQW6Q"
    assert bucket.update(tags={"b": "2"}) == {"tags.a": "update", "tags.b": "update"}
    assert bucket.outputs["tags"] == {"b": "2"}
    assert bucket.update(tags=None) == {"tags": "update"}
    assert bucket.plan(bucket="another-name") == {"bucket": "replace"}
    assert bucket.imported()[0]["bucket"] == bucket.id
    bucket.delete()
    assert world.left() == {}


def test_a_bucket_is_made_in_the_region_of_the_provider(world: World) -> None:
    bucket = a_bucket(world)
    assert world.client("s3").get_bucket_location(Bucket=bucket.id)["LocationConstraint"] == REGION


def test_refuses_the_old_blocks_inside_a_bucket(world: World) -> None:
    with pytest.raises(AssertionError, match="does not support 'versioning'"):
        a_bucket(world, versioning={"enabled": True})


def test_a_bucket_with_objects_is_only_deleted_where_the_program_allows_it(world: World) -> None:
    bucket = a_bucket(world)
    s3 = world.client("s3")
    s3.put_bucket_versioning(Bucket=bucket.id, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket.id, Key="model", Body=body)
    s3.delete_object(Bucket=bucket.id, Key="model")
    with pytest.raises(PluginError, match="BucketNotEmpty"):
        bucket.delete()
    assert bucket.update(forceDestroy=True) == {"forceDestroy": "update"}
    bucket.delete()
    assert world.left() == {}


def test_a_bucket_deleted_behind_our_back_is_gone_and_so_are_its_parts(world: World) -> None:
    bucket = a_bucket(world)
    parts = [
        world.up(BLOCK, "block", bucket=bucket.id, blockPublicAcls=True),
        world.up(VERSIONING, "versioning", bucket=bucket.id, versioningConfiguration={"status": "Enabled"}),
    ]
    world.client("s3").delete_bucket(Bucket=bucket.id)
    assert not bucket.refresh()
    assert not any(part.refresh() for part in parts)
    for part in parts:
        part.delete()


def test_a_public_access_block_lives_from_create_to_delete(world: World) -> None:
    bucket = a_bucket(world)
    block = world.up(BLOCK, "block", bucket=bucket.id, blockPublicAcls=True, ignorePublicAcls=True)
    assert block.id == bucket.id
    assert block.update(blockPublicPolicy=True, restrictPublicBuckets=True) == {
        "blockPublicPolicy": "update",
        "restrictPublicBuckets": "update",
    }
    assert all(world.client("s3").get_public_access_block(Bucket=bucket.id)["PublicAccessBlockConfiguration"].values())
    assert block.imported()[0]["bucket"] == bucket.id
    s3 = world.client("s3")
    configuration = s3.get_public_access_block(Bucket=bucket.id)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(
        Bucket=bucket.id, PublicAccessBlockConfiguration={**configuration, "BlockPublicAcls": False}
    )
    assert block.refresh()
    assert block.plan() == {"blockPublicAcls": "update"}
    block.delete()


def test_encryption_lives_from_create_to_delete(world: World) -> None:
    bucket = a_bucket(world)
    key = world.up("aws:kms/key:Key", "key").outputs["arn"]
    rule = {
        "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key},
        "bucketKeyEnabled": True,
    }
    encryption = world.up(ENCRYPTION, "encryption", bucket=bucket.id, rules=[rule])
    found = world.client("s3").get_bucket_encryption(Bucket=bucket.id)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert found["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert encryption.outputs["rules"][0]["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"] == key
    plain = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    planned = encryption.update(rules=[plain])
    assert set(planned.values()) == {"update"}
    assert encryption.imported()[0]["rules"][0]["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    encryption.delete()


def test_versioning_lives_from_create_to_suspension(world: World) -> None:
    bucket = a_bucket(world)
    versioning = world.up(VERSIONING, "versioning", bucket=bucket.id, versioningConfiguration={"status": "Enabled"})
    assert versioning.outputs["versioningConfiguration"]["status"] == "Enabled"
    assert versioning.plan(versioningConfiguration={"status": "Suspended"}) == {
        "versioningConfiguration.status": "update"
    }
    assert versioning.imported()[0]["versioningConfiguration"] == {"status": "Enabled"}
    world.client("s3").put_bucket_versioning(Bucket=bucket.id, VersioningConfiguration={"Status": "Suspended"})
    assert versioning.refresh()
    assert versioning.plan() == {"versioningConfiguration.status": "update"}
    versioning.delete()
    assert world.client("s3").get_bucket_versioning(Bucket=bucket.id)["Status"] == "Suspended"


def test_lifecycle_rules_live_from_create_to_delete(world: World) -> None:
    bucket = a_bucket(world)
    rule = {
        "id": "abort",
        "status": "Enabled",
        "filter": {"prefix": "incoming/"},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 3},
        "noncurrentVersionExpiration": {"noncurrentDays": 30},
        "expiration": {"days": 90},
    }
    lifecycle = world.up(LIFECYCLE, "lifecycle", bucket=bucket.id, rules=[rule])
    changed = {**rule, "expiration": {"days": 60}, "status": "Disabled"}
    assert lifecycle.update(rules=[changed]) == {
        "rules[0].status": "update",
        "rules[0].expiration.days": "update",
    }
    assert lifecycle.imported()[0]["rules"][0]["expiration"]["days"] == 60
    world.client("s3").delete_bucket_lifecycle(Bucket=bucket.id)
    assert not lifecycle.refresh()


def test_a_bucket_policy_compares_by_meaning(world: World) -> None:
    bucket = a_bucket(world)
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": f"arn:aws:s3:::{bucket.id}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    policy = world.up(POLICY, "policy", bucket=bucket.id, policy=json.dumps(document))
    other = {**statement, "Action": ["s3:PutObject", "s3:GetObject"]}
    assert policy.plan(policy=json.dumps({**document, "Statement": [other]}, indent=1)) == {}
    assert policy.update(policy=json.dumps({**document, "Statement": [{**statement, "Action": "s3:*"}]})) == {
        "policy": "update"
    }
    assert policy.plan(bucket="other") == {"bucket": "replace"}
    assert json.loads(policy.imported()[0]["policy"])["Statement"]
    policy.delete()
    bucket.delete()
    assert world.left() == {}
