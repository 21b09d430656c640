"""AWS::S3::Bucket and AWS::S3::BucketPolicy through CloudFormation."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def cloud(client: Any) -> Any:
    return client("cloudformation")


def stack(cloud: Any, template: dict[str, Any], *, update: bool = False) -> dict[str, Any]:
    function = cloud.update_stack if update else cloud.create_stack
    function(StackName="s", Capabilities=["CAPABILITY_IAM"], TemplateBody=json.dumps(template), Tags=[{"Key": "from", "Value": "stack"}])
    found: dict[str, Any] = cloud.describe_stacks(StackName="s")["Stacks"][0]
    return found


FULL = {
    "VersioningConfiguration": {"Status": "Enabled"},
    "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]},
    "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": "true",
        "BlockPublicPolicy": False,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": False,
    },
    "CorsConfiguration": {
        "CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAge": "60", "ExposedHeaders": ["ETag"], "Id": "c"}]
    },
    "WebsiteConfiguration": {"IndexDocument": "index.html", "ErrorDocument": "error.html"},
    "LifecycleConfiguration": {
        "Rules": [
            {"Id": "r", "Status": "Enabled", "Prefix": "logs/", "ExpirationInDays": "30", "NoncurrentVersionExpirationInDays": 7},
            {"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}},
        ]
    },
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
    "Tags": [{"Key": "a", "Value": "b"}],
}


def test_a_bucket_with_everything(cloud: Any, s3: Any, refused: Any) -> None:
    template = {
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": FULL},
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {
                    "Bucket": {"Ref": "Bucket"},
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/*"}}
                        ],
                    },
                },
            },
        },
        "Outputs": {
            name: {"Value": {"Fn::GetAtt": ["Bucket", name]}}
            for name in ("Arn", "DomainName", "RegionalDomainName", "WebsiteURL", "DualStackDomainName")
        }
        | {"Name": {"Value": {"Ref": "Bucket"}}},
    }
    made = stack(cloud, template)
    assert made["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
    name = outputs["Name"]
    assert name.startswith("s-bucket-")
    assert outputs["Arn"] == f"arn:aws:s3:::{name}"
    assert outputs["DomainName"] == f"{name}.s3.amazonaws.com"
    assert outputs["RegionalDomainName"] == f"{name}.s3.us-east-1.amazonaws.com"
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] is False
    assert s3.get_bucket_cors(Bucket=name)["CORSRules"][0]["MaxAgeSeconds"] == 60
    assert s3.get_bucket_website(Bucket=name)["ErrorDocument"] == {"Key": "error.html"}
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rules[0]["Expiration"] == {"Days": 30}
    assert rules[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert rules[1]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 3}
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    assert (tags["a"], tags["from"]) == ("b", "stack")
    assert s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"]["IsPublic"] is True

    template["Resources"]["Bucket"]["Properties"] = {"VersioningConfiguration": {"Status": "Suspended"}}
    del template["Resources"]["Policy"]
    assert stack(cloud, template, update=True)["StackStatus"] == "UPDATE_COMPLETE"
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
    refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=name)
    refused("NoSuchLifecycleConfiguration", 404, s3.get_bucket_lifecycle_configuration, Bucket=name)
    refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=name)
    cloud.delete_stack(StackName="s")
    cloud.describe_stacks(StackName=made["StackId"])
    refused("404", 404, s3.head_bucket, Bucket=name)


def test_a_bucket_with_objects_fails_the_deletion(cloud: Any, s3: Any) -> None:
    made = stack(
        cloud,
        {
            "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}},
            "Outputs": {"Name": {"Value": {"Ref": "Bucket"}}},
        },
    )
    name = made["Outputs"][0]["OutputValue"]
    s3.put_object(Bucket=name, Key="k", Body=b"")
    cloud.delete_stack(StackName="s")
    assert cloud.describe_stacks(StackName=made["StackId"])["Stacks"][0]["StackStatus"] == "DELETE_FAILED"
    s3.delete_object(Bucket=name, Key="k")
    cloud.delete_stack(StackName="s")
    assert cloud.describe_stacks(StackName=made["StackId"])["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"


def test_a_bucket_that_exists_is_not_taken_over(cloud: Any, bucket: str) -> None:
    made = stack(cloud, {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket}}}})
    assert made["StackStatus"] in ("ROLLBACK_COMPLETE", "CREATE_FAILED")
    events = cloud.describe_stack_events(StackName="s")["StackEvents"]
    assert any("already exists" in event.get("ResourceStatusReason", "") for event in events)


def test_a_bucket_notifies_a_queue_of_its_stack(cloud: Any, s3: Any, client: Any, clock: Any, account: str) -> None:
    template = {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "QueuePolicy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{"Ref": "Queue"}],
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"Service": "s3.amazonaws.com"},
                                "Action": "sqs:SendMessage",
                                "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
                                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                            }
                        ],
                    },
                },
            },
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "DependsOn": "QueuePolicy",
                "Properties": {
                    "NotificationConfiguration": {
                        "QueueConfigurations": [
                            {
                                "Event": "s3:ObjectCreated:*",
                                "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
                                "Filter": {"S3Key": {"Rules": [{"Name": "suffix", "Value": ".csv"}]}},
                            }
                        ]
                    }
                },
            },
        },
        "Outputs": {"Name": {"Value": {"Ref": "Bucket"}}, "Url": {"Value": {"Ref": "Queue"}}},
    }
    made = stack(cloud, template)
    assert made["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
    s3.put_object(Bucket=outputs["Name"], Key="a.csv", Body=b"")
    clock.settle()
    messages = client("sqs").receive_message(QueueUrl=outputs["Url"], MaxNumberOfMessages=10)["Messages"]
    assert any("ObjectCreated:Put" in message["Body"] for message in messages)


def test_a_bucket_that_replicates(cloud: Any, s3: Any, client: Any, clock: Any) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"},
    }
    may = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    rule = {
        "Id": "r",
        "Status": "Enabled",
        "Priority": "1",
        "Filter": {"And": {"Prefix": "logs/", "TagFilters": [{"Key": "a", "Value": "b"}]}},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": {"Fn::GetAtt": ["Target", "Arn"]}, "StorageClass": "STANDARD_IA"},
    }
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    source = {**versioned, "ReplicationConfiguration": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Rules": [rule]}}
    template = {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"AssumeRolePolicyDocument": trust, "Policies": [{"PolicyName": "p", "PolicyDocument": may}]},
            },
            "Target": {"Type": "AWS::S3::Bucket", "Properties": versioned},
            "Source": {"Type": "AWS::S3::Bucket", "Properties": source},
        },
        "Outputs": {"Source": {"Value": {"Ref": "Source"}}, "Target": {"Value": {"Ref": "Target"}}},
    }
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack(cloud, template)["Outputs"]}
    s3.put_object(Bucket=outputs["Source"], Key="logs/1", Body=b"x", Tagging="a=b")
    clock.advance("1s")
    assert s3.head_object(Bucket=outputs["Target"], Key="logs/1")["StorageClass"] == "STANDARD_IA"
    template["Resources"]["Source"]["Properties"] = versioned
    stack(cloud, template, update=True)
    with pytest.raises(s3.exceptions.ClientError, match="ReplicationConfigurationNotFoundError"):
        s3.get_bucket_replication(Bucket=outputs["Source"])


@pytest.mark.usefixtures("names_below_localhost")
def test_an_access_point(cloud: Any, s3: Any, client: Any, account: str, clock: Any) -> None:
    def template(actions: list[str], value: str) -> dict[str, Any]:
        arn = f"arn:aws:s3:us-east-1:{account}:accesspoint/stacked"
        statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": actions, "Resource": f"{arn}/object/*"}
        properties = {
            "Name": "stacked",
            "Bucket": {"Ref": "Bucket"},
            "Policy": {"Version": "2012-10-17", "Statement": [statement]},
            "PublicAccessBlockConfiguration": {"BlockPublicPolicy": "true"},
            "Tags": [{"Key": "a", "Value": value}],
        }
        attributes = ("Arn", "Alias", "Name", "NetworkOrigin")
        outputs = {name: {"Value": {"Fn::GetAtt": ["Point", name]}} for name in attributes}
        resources = {"Bucket": {"Type": "AWS::S3::Bucket"}, "Point": {"Type": "AWS::S3::AccessPoint", "Properties": properties}}
        return {"Resources": resources, "Outputs": {**outputs, "Ref": {"Value": {"Ref": "Point"}}}}

    made = {one["OutputKey"]: one["OutputValue"] for one in stack(cloud, template(["s3:GetObject"], "1"))["Outputs"]}
    assert (made["Ref"], made["Name"], made["NetworkOrigin"]) == ("stacked", "stacked", "Internet")
    s3.put_object(Bucket=made["Alias"], Key="k", Body=b"x")
    control = client("s3control")
    stack(cloud, template(["s3:GetObject", "s3:PutObject"], "2"), update=True)
    policy = json.loads(control.get_access_point_policy(AccountId=account, Name="stacked")["Policy"])
    assert policy["Statement"][0]["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert control.list_tags_for_resource(AccountId=account, ResourceArn=made["Arn"])["Tags"] == [{"Key": "a", "Value": "2"}]
    s3.delete_object(Bucket=made["Alias"], Key="k")
    cloud.delete_stack(StackName="s")
    clock.settle()
    assert control.list_access_points(AccountId=account).get("AccessPointList", []) == []


def test_configurations_with_ids(cloud: Any, s3: Any) -> None:
    destination = {"BucketArn": {"Fn::GetAtt": ["Target", "Arn"]}, "Format": "CSV", "Prefix": "p"}
    properties = {
        "InventoryConfigurations": [
            {
                "Id": "i",
                "Enabled": "true",
                "Destination": destination,
                "IncludedObjectVersions": "Current",
                "Prefix": "logs/",
                "ScheduleFrequency": "Weekly",
                "OptionalFields": ["Size"],
            }
        ],
        "MetricsConfigurations": [{"Id": "m", "Prefix": "x", "TagFilters": [{"Key": "a", "Value": "b"}]}],
        "AnalyticsConfigurations": [
            {
                "Id": "a",
                "StorageClassAnalysis": {"DataExport": {"Destination": destination, "OutputSchemaVersion": "V_1"}},
            }
        ],
        "IntelligentTieringConfigurations": [
            {"Id": "t", "Status": "Enabled", "Tierings": [{"AccessTier": "ARCHIVE_ACCESS", "Days": "90"}]}
        ],
    }
    template: dict[str, Any] = {
        "Resources": {"Target": {"Type": "AWS::S3::Bucket"}, "Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}},
        "Outputs": {"Bucket": {"Value": {"Ref": "Bucket"}}},
    }
    bucket = stack(cloud, template)["Outputs"][0]["OutputValue"]
    found = s3.get_bucket_inventory_configuration(Bucket=bucket, Id="i")["InventoryConfiguration"]
    assert (found["IsEnabled"], found["Filter"], found["Schedule"]) == (True, {"Prefix": "logs/"}, {"Frequency": "Weekly"})
    metrics = s3.get_bucket_metrics_configuration(Bucket=bucket, Id="m")["MetricsConfiguration"]
    assert metrics["Filter"] == {"And": {"Prefix": "x", "Tags": [{"Key": "a", "Value": "b"}]}}
    tiering = s3.get_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="t")["IntelligentTieringConfiguration"]
    assert tiering["Tierings"] == [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]
    analysis = s3.get_bucket_analytics_configuration(Bucket=bucket, Id="a")["AnalyticsConfiguration"]["StorageClassAnalysis"]
    assert analysis["DataExport"]["Destination"]["S3BucketDestination"]["Prefix"] == "p"
    del properties["InventoryConfigurations"]
    stack(cloud, template, update=True)
    assert "InventoryConfigurationList" not in s3.list_bucket_inventory_configurations(Bucket=bucket)


def test_a_stack_makes_buckets_in_the_namespace_of_its_account(cloud: Any, s3: Any, account: str) -> None:
    suffix = f"-{account}-us-east-1-an"
    named = {"BucketName": f"whole{suffix}", "BucketNamespace": "account-regional"}
    properties = {"Prefixed": {"BucketNamePrefix": "mine"}, "Named": named, "Unnamed": {"BucketNamespace": "account-regional"}}
    resources = {name: {"Type": "AWS::S3::Bucket", "Properties": wanted} for name, wanted in properties.items()}
    made = stack(cloud, {"Resources": resources})
    assert made["StackStatus"] == "CREATE_COMPLETE", made
    names = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert {f"mine{suffix}", f"whole{suffix}"} <= names
    assert all(name.endswith(suffix) for name in names)


@pytest.mark.usefixtures("names_below_localhost")
def test_a_multi_region_access_point_of_a_stack(cloud: Any, s3: Any, client: Any, bucket: str, account: str) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "s3:GetObject"}
    arn = {"Fn::Sub": f"arn:aws:s3::{account}:accesspoint/${{Point.Alias}}/object/*"}
    resources = {
        "Point": {"Type": "AWS::S3::MultiRegionAccessPoint", "Properties": {"Name": "mine", "Regions": [{"Bucket": bucket}]}},
        "Policy": {
            "Type": "AWS::S3::MultiRegionAccessPointPolicy",
            "Properties": {
                "MrapName": {"Ref": "Point"},
                "Policy": {"Version": "2012-10-17", "Statement": [{**statement, "Resource": arn}]},
            },
        },
    }
    outputs = {"Alias": {"Value": {"Fn::GetAtt": ["Point", "Alias"]}}}
    made = stack(cloud, {"Resources": resources, "Outputs": outputs})
    assert made["StackStatus"] == "CREATE_COMPLETE", made
    (output,) = made["Outputs"]
    s3.put_object(Bucket=output["OutputValue"], Key="k", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    control = client("s3control")
    assert control.get_multi_region_access_point_policy(AccountId=account, Name="mine")["Policy"]["Established"]["Policy"]
    cloud.delete_stack(StackName="s")
    assert control.list_multi_region_access_points(AccountId=account)["AccessPoints"] == []
