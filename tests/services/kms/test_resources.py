"""Stacks with keys, aliases and replicas."""

from __future__ import annotations

import json

import pytest
from tests.services.cloudformation.conftest import cloud

__all__ = ["cloud"]

TEMPLATE = """
Parameters: {Description: {Type: String, Default: first}, Rotate: {Type: String, Default: 'true'}, Enabled: {Type: String, Default: 'true'}}
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      Description: !Ref Description
      Enabled: !Ref Enabled
      EnableKeyRotation: !Ref Rotate
      RotationPeriodInDays: 180
      PendingWindowInDays: 7
      KeyPolicy:
        Version: '2012-10-17'
        Statement:
          - {Sid: !Ref Description, Effect: Allow, Principal: {AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'}, Action: 'kms:*', Resource: '*'}
      Tags: [{Key: team, Value: !Ref Description}]
  Name: {Type: AWS::KMS::Alias, Properties: {AliasName: alias/app, TargetKeyId: !Ref Key}}
Outputs:
  Id: {Value: !Ref Key}
  Arn: {Value: !GetAtt Key.Arn}
  Alias: {Value: !Ref Name}
"""


def parameters(**values):
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def test_a_stack_makes_a_key_that_works(cloud, kms):
    assert cloud.create("keys", TEMPLATE, Tags=[{"Key": "stack", "Value": "s"}]) == "CREATE_COMPLETE"
    outputs = cloud.outputs("keys")
    assert outputs["Alias"] == "alias/app" and outputs["Arn"].endswith(f":key/{outputs['Id']}")
    blob = kms.encrypt(KeyId="alias/app", Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["KeyId"] == outputs["Arn"]
    described = kms.describe_key(KeyId=outputs["Id"])["KeyMetadata"]
    assert (described["Description"], described["KeyState"]) == ("first", "Enabled")
    status = kms.get_key_rotation_status(KeyId=outputs["Id"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)
    tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=outputs["Id"])["Tags"]}
    assert tags == {"team": "first", "stack": "s"}


def test_an_update_changes_the_key_in_place(cloud, kms):
    cloud.create("keys", TEMPLATE)
    before = cloud.outputs("keys")
    assert cloud.update("keys", TEMPLATE, Parameters=parameters(Description="second", Rotate="false", Enabled="false")) == "UPDATE_COMPLETE"
    assert cloud.outputs("keys") == before
    described = kms.describe_key(KeyId=before["Id"])["KeyMetadata"]
    assert (described["Description"], described["KeyState"]) == ("second", "Disabled")
    assert kms.get_key_rotation_status(KeyId=before["Id"])["KeyRotationEnabled"] is False
    assert json.loads(kms.get_key_policy(KeyId=before["Id"])["Policy"])["Statement"][0]["Sid"] == "second"
    assert kms.list_resource_tags(KeyId=before["Id"])["Tags"] == [{"TagKey": "team", "TagValue": "second"}]
    assert cloud.update("keys", TEMPLATE) == "UPDATE_COMPLETE"
    assert kms.describe_key(KeyId=before["Id"])["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_deleted_stack_schedules_its_key(cloud, kms, clock, fails):
    cloud.create("keys", TEMPLATE)
    key_id = cloud.outputs("keys")["Id"]
    assert cloud.delete("keys") == "DELETE_COMPLETE"
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert kms.list_aliases()["Aliases"] == []
    clock.advance("7d")
    with fails("NotFoundException"):
        kms.describe_key(KeyId=key_id)


def test_the_kind_of_a_key_cannot_change(cloud, kms):
    template = "Resources: {K: {Type: AWS::KMS::Key, Properties: {KeySpec: HMAC_SIZE, KeyUsage: GENERATE_VERIFY_MAC}}}"
    assert cloud.create("kind", template.replace("SIZE", "256")) == "CREATE_COMPLETE"
    assert cloud.update("kind", template.replace("SIZE", "384")) == "UPDATE_ROLLBACK_COMPLETE"
    [key_id] = [physical for _, physical in cloud.resources("kind").values()]
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeySpec"] == "HMAC_256"


@pytest.mark.parametrize(
    "properties", ["{KeySpec: RSA_2048, KeyUsage: SIGN_VERIFY}", "{KeySpec: ECC_NIST_P256, KeyUsage: SIGN_VERIFY, MultiRegion: true}"]
)
def test_keys_of_other_kinds(cloud, kms, properties):
    cloud.create("kinds", f"Resources: {{K: {{Type: AWS::KMS::Key, Properties: {properties}}}}}\nOutputs: {{Id: {{Value: !Ref K}}}}")
    assert kms.get_public_key(KeyId=cloud.outputs("kinds")["Id"])["KeyUsage"] == "SIGN_VERIFY"


def test_a_key_that_cannot_be_made_whole_is_taken_back(cloud, kms):
    template = """
Resources: {K: {Type: AWS::KMS::Key, Properties: {KeySpec: HMAC_256, KeyUsage: GENERATE_VERIFY_MAC, EnableKeyRotation: true}}}
"""
    assert cloud.create("broken", template) == "ROLLBACK_COMPLETE"
    assert {kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyState"] for each in kms.list_keys()["Keys"]} == {"PendingDeletion"}


def test_an_alias_moves_and_is_replaced_by_another_name(cloud, kms, key):
    template = "Resources: {A: {Type: AWS::KMS::Alias, Properties: {AliasName: alias/NAME, TargetKeyId: 'KEY'}}}"
    first, second = key(), key()
    cloud.create("alias", template.replace("NAME", "one").replace("KEY", first))
    assert cloud.update("alias", template.replace("NAME", "one").replace("KEY", second)) == "UPDATE_COMPLETE"
    assert kms.describe_key(KeyId="alias/one")["KeyMetadata"]["Arn"] == second
    assert cloud.update("alias", template.replace("NAME", "two").replace("KEY", second)) == "UPDATE_COMPLETE"
    assert [each["AliasName"] for each in kms.list_aliases()["Aliases"]] == ["alias/two"]


def test_a_replica_is_made_in_the_region_of_its_stack(client, kms, key, account):
    from tests.services.cloudformation.conftest import Cloud

    primary = key(MultiRegion=True)
    root = f"arn:aws:iam::{account}:root"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}]}
    replica = {"Type": "AWS::KMS::ReplicaKey", "Properties": {"PrimaryKeyArn": primary, "KeyPolicy": policy, "Description": "there"}}
    template = {"Resources": {"R": replica}, "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["R", "Arn"]}}, "Id": {"Value": {"Ref": "R"}}}}
    there, europe = Cloud(client("cloudformation", region="eu-west-1")), client("kms", region="eu-west-1")
    assert there.create("replica", json.dumps(template)) == "CREATE_COMPLETE"
    outputs = there.outputs("replica")
    assert outputs["Arn"] == primary.replace("us-east-1", "eu-west-1") and outputs["Id"] == primary.rpartition("/")[2]
    blob = kms.encrypt(KeyId=primary, Plaintext=b"x")["CiphertextBlob"]
    assert europe.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    replica["Properties"] |= {"Description": "still there", "Enabled": False}
    assert there.update("replica", json.dumps(template)) == "UPDATE_COMPLETE"
    shown = europe.describe_key(KeyId=outputs["Id"])["KeyMetadata"]
    assert (shown["Description"], shown["KeyState"]) == ("still there", "Disabled")
    assert there.delete("replica") == "DELETE_COMPLETE"
    assert europe.describe_key(KeyId=outputs["Id"])["KeyMetadata"]["KeyState"] == "PendingDeletion"
