"""CloudFormation types of S3. Properties go to the room's own operations, translated where CloudFormation spells them otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, coerced, resource_type
from groundcloud.wire import model

Document = dict[str, Any]


def _renamed(value: Document, names: dict[str, str]) -> Document:
    return {names.get(name, name): item for name, item in value.items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _cors(value: Document) -> Document:
    names = {"ExposedHeaders": "ExposeHeaders", "Id": "ID", "MaxAge": "MaxAgeSeconds"}
    return {"CORSRules": [_renamed(rule, names) for rule in value.get("CorsRules", [])]}


def _website(value: Document) -> Document:
    found = dict(value)
    if "IndexDocument" in found:
        found["IndexDocument"] = {"Suffix": found["IndexDocument"]}
    if "ErrorDocument" in found:
        found["ErrorDocument"] = {"Key": found["ErrorDocument"]}
    if "RoutingRules" in found:
        found["RoutingRules"] = [
            _renamed(rule, {"RedirectRule": "Redirect", "RoutingRuleCondition": "Condition"}) for rule in found["RoutingRules"]
        ]
    return found


def _encryption(value: Document) -> Document:
    names = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return {"Rules": [_renamed(rule, names) for rule in value.get("ServerSideEncryptionConfiguration", [])]}


def _lifecycle(value: Document) -> Document:
    return {"Rules": [_rule(rule) for rule in value.get("Rules", [])]}


def _rule(value: Document) -> Document:
    """A rule of CloudFormation, which keeps on one level what the API nests."""
    rule: Document = {"Status": value["Status"]}
    if "Id" in value:
        rule["ID"] = value["Id"]
    rule["Filter"] = _filter(value)
    expiration = {
        name: value[given]
        for name, given in (
            ("Days", "ExpirationInDays"),
            ("Date", "ExpirationDate"),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
        )
        if given in value
    }
    if expiration:
        rule["Expiration"] = expiration
    transitions = _listed(value.get("Transitions", [])) + ([value["Transition"]] if "Transition" in value else [])
    if transitions:
        rule["Transitions"] = [_renamed(one, {"TransitionInDays": "Days", "TransitionDate": "Date"}) for one in transitions]
    if "NoncurrentVersionExpiration" in value:
        rule["NoncurrentVersionExpiration"] = value["NoncurrentVersionExpiration"]
    elif "NoncurrentVersionExpirationInDays" in value:
        rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": value["NoncurrentVersionExpirationInDays"]}
    older = _listed(value.get("NoncurrentVersionTransitions", []))
    if "NoncurrentVersionTransition" in value:
        older = [*older, value["NoncurrentVersionTransition"]]
    if older:
        rule["NoncurrentVersionTransitions"] = [_renamed(one, {"TransitionInDays": "NoncurrentDays"}) for one in older]
    if "AbortIncompleteMultipartUpload" in value:
        rule["AbortIncompleteMultipartUpload"] = value["AbortIncompleteMultipartUpload"]
    return rule


def _filter(value: Document) -> Document:
    parts: Document = {name: value[name] for name in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan") if name in value}
    tags = value.get("TagFilters") or []
    if not parts and len(tags) == 1:
        return {"Tag": tags[0]}
    if len(parts) + len(tags) > 1:
        return {"And": {**parts, **({"Tags": tags} if tags else {})}}
    return parts or {"Prefix": ""}


def _notification(value: Document) -> Document:
    found: Document = {}
    for given, member, target, arn_member in (
        ("QueueConfigurations", "QueueConfigurations", "Queue", "QueueArn"),
        ("LambdaConfigurations", "LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
        ("TopicConfigurations", "TopicConfigurations", "Topic", "TopicArn"),
    ):
        for one in value.get(given, []):
            configuration: Document = {arn_member: one[target], "Events": _listed(one["Event"])}
            rules = ((one.get("Filter") or {}).get("S3Key") or {}).get("Rules")
            if rules:
                configuration["Filter"] = {"Key": {"FilterRules": rules}}
            found.setdefault(member, []).append(configuration)
    bridge = value.get("EventBridgeConfiguration")
    if bridge is not None and str(bridge.get("EventBridgeEnabled", True)).lower() == "true":
        found["EventBridgeConfiguration"] = {}
    return found


def _logging(value: Document) -> Document:
    found = {"TargetBucket": value["DestinationBucketName"], "TargetPrefix": value.get("LogFilePrefix", "")}
    if "TargetObjectKeyFormat" in value:
        found["TargetObjectKeyFormat"] = value["TargetObjectKeyFormat"]
    return {"LoggingEnabled": found}


def _replication(value: Document) -> Document:
    return {"Role": value["Role"], "Rules": [_replication_rule(rule) for rule in value.get("Rules", [])]}


def _replication_rule(value: Document) -> Document:
    rule = _renamed(value, {"Id": "ID"})
    chosen = rule.get("Filter")
    if chosen is not None:
        if "And" in chosen:
            rule["Filter"] = {"And": _renamed(chosen["And"], {"TagFilters": "Tags"})}
        else:
            rule["Filter"] = _renamed(chosen, {"TagFilter": "Tag"})
    return rule


def _same(value: Document) -> Document:
    return value


class _Setting:
    """How a property of a bucket is put, and how it is taken away."""

    def __init__(self, put: str, member: str, shape: str, convert: Callable[[Document], Document], delete: str | Document) -> None:
        self.put = put
        self.member = member
        self.shape = shape
        self.convert = convert
        self.delete = delete
        """The operation that removes it, or the document that stands for none."""


_SETTINGS = {
    "OwnershipControls": _Setting(
        "PutBucketOwnershipControls",
        "OwnershipControls",
        "OwnershipControls",
        _same,
        {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    ),
    "PublicAccessBlockConfiguration": _Setting(
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "PublicAccessBlockConfiguration",
        _same,
        {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True},
    ),
    "VersioningConfiguration": _Setting(
        "PutBucketVersioning", "VersioningConfiguration", "VersioningConfiguration", _same, {"Status": "Suspended"}
    ),
    "BucketEncryption": _Setting(
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfiguration",
        _encryption,
        "DeleteBucketEncryption",
    ),
    "ObjectLockConfiguration": _Setting(
        "PutObjectLockConfiguration", "ObjectLockConfiguration", "ObjectLockConfiguration", _same, {"ObjectLockEnabled": "Enabled"}
    ),
    "AccelerateConfiguration": _Setting(
        "PutBucketAccelerateConfiguration",
        "AccelerateConfiguration",
        "AccelerateConfiguration",
        lambda value: {"Status": value["AccelerationStatus"]},
        {"Status": "Suspended"},
    ),
    "CorsConfiguration": _Setting("PutBucketCors", "CORSConfiguration", "CORSConfiguration", _cors, "DeleteBucketCors"),
    "WebsiteConfiguration": _Setting("PutBucketWebsite", "WebsiteConfiguration", "WebsiteConfiguration", _website, "DeleteBucketWebsite"),
    "LifecycleConfiguration": _Setting(
        "PutBucketLifecycleConfiguration", "LifecycleConfiguration", "BucketLifecycleConfiguration", _lifecycle, "DeleteBucketLifecycle"
    ),
    "LoggingConfiguration": _Setting("PutBucketLogging", "BucketLoggingStatus", "BucketLoggingStatus", _logging, {}),
    "ReplicationConfiguration": _Setting(
        "PutBucketReplication", "ReplicationConfiguration", "ReplicationConfiguration", _replication, "DeleteBucketReplication"
    ),
    "NotificationConfiguration": _Setting(
        "PutBucketNotificationConfiguration", "NotificationConfiguration", "NotificationConfiguration", _notification, {}
    ),
}
"""In the order in which they are put: who may what, before what sends."""


class _Identified:
    """How a property that is a list of configurations with ids is put, one by one."""

    def __init__(self, noun: str, convert: Callable[[Document], Document]) -> None:
        self.put = f"PutBucket{noun}Configuration"
        self.delete = f"DeleteBucket{noun}Configuration"
        self.member = f"{noun}Configuration"
        self.convert = convert


def _tag_filtered(value: Document) -> Document:
    """`Prefix`, `TagFilters` and more side by side -> the API's `Filter`."""
    parts: Document = {name: value[name] for name in ("Prefix", "AccessPointArn") if name in value}
    tags = value.get("TagFilters") or []
    found = {name: item for name, item in value.items() if name not in ("Prefix", "AccessPointArn", "TagFilters")}
    if len(parts) + len(tags) > 1:
        found["Filter"] = {"And": {**parts, **({"Tags": tags} if tags else {})}}
    elif parts or tags:
        found["Filter"] = parts or {"Tag": tags[0]}
    return found


def _exported(destination: Document) -> Document:
    return {"S3BucketDestination": _renamed(destination, {"BucketArn": "Bucket", "BucketAccountId": "AccountId"})}


def _inventory(value: Document) -> Document:
    found = _renamed(value, {"Enabled": "IsEnabled", "ScheduleFrequency": "Schedule"})
    found["Destination"] = _exported(value["Destination"])
    found["Schedule"] = {"Frequency": value["ScheduleFrequency"]}
    if "Prefix" in found:
        found["Filter"] = {"Prefix": found.pop("Prefix")}
    return found


def _analytics(value: Document) -> Document:
    found = _tag_filtered(value)
    export = (value.get("StorageClassAnalysis") or {}).get("DataExport")
    if export:
        exported = {**export, "Destination": _exported(export["Destination"])}
        found["StorageClassAnalysis"] = {"DataExport": exported}
    return found


_IDENTIFIED = {
    "AnalyticsConfigurations": _Identified("Analytics", _analytics),
    "IntelligentTieringConfigurations": _Identified("IntelligentTiering", _tag_filtered),
    "InventoryConfigurations": _Identified("Inventory", _inventory),
    "MetricsConfigurations": _Identified("Metrics", _tag_filtered),
}

_CANNED = {
    "Private": "private",
    "PublicRead": "public-read",
    "PublicReadWrite": "public-read-write",
    "AuthenticatedRead": "authenticated-read",
    "LogDeliveryWrite": "log-delivery-write",
    "BucketOwnerRead": "bucket-owner-read",
    "BucketOwnerFullControl": "bucket-owner-full-control",
    "AwsExecRead": "aws-exec-read",
}


@resource_type("AWS::S3::Bucket")
class BucketResource(ResourceType):
    properties = {
        "BucketName",
        "BucketNamePrefix",
        "BucketNamespace",
        "AccessControl",
        "ObjectLockEnabled",
        "Tags",
        *_SETTINGS,
        *_IDENTIFIED,
    }
    replaces = {"BucketName", "BucketNamePrefix", "BucketNamespace", "ObjectLockEnabled"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        own = wanted.get("BucketNamespace") == "account-regional" or "BucketNamePrefix" in wanted
        suffix = f"-{call.account}-{call.region}-an" if own else ""
        prefix = wanted.get("BucketNamePrefix") or resource.generated_name(63 - len(suffix), lower=True)
        name = wanted.get("BucketName") or prefix + suffix
        request: Document = {"Bucket": name}
        if own:
            request["BucketNamespace"] = "account-regional"
        if call.region != "us-east-1":
            request["CreateBucketConfiguration"] = {"LocationConstraint": call.region}
        if str(wanted.get("ObjectLockEnabled", "false")).lower() == "true":
            request["ObjectLockEnabledForBucket"] = True
        try:
            await call.request("s3", "HeadBucket", {"Bucket": name})
        except AwsError:
            pass
        else:
            # The API lets an owner create a bucket again in us-east-1; a stack must not take over what it did not make.
            raise AwsError("AlreadyExists", f"{name} already exists")
        await call.request("s3", "CreateBucket", request)
        try:
            await self._apply(call, resource, name)
        except AwsError:
            await call.request("s3", "DeleteBucket", {"Bucket": name})
            raise
        return _created(call, name)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        await self._apply(call, resource, resource.physical_id)
        return _created(call, resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("s3", "DeleteBucket", {"Bucket": resource.physical_id})
        except AwsError as error:
            if error.code != "NoSuchBucket":
                raise

    async def _apply(self, call: Call, resource: ResourceRequest, name: str) -> None:
        """Puts what the template says and differs from before; takes away what it no longer says."""
        shapes = model.load("s3").shapes
        wanted, old = resource.properties, resource.old_properties
        opened = wanted.get("AccessControl", "Private") not in ("Private", "BucketOwnerFullControl")
        if opened and resource.changed("AccessControl") and "OwnershipControls" not in wanted:
            raise AwsError(
                "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
            )
        if "ReplicationConfiguration" in old and "ReplicationConfiguration" not in wanted:
            # Before versioning, which may go with it.
            await call.request("s3", "DeleteBucketReplication", {"Bucket": name})
        for property_name, setting in _SETTINGS.items():
            if property_name in wanted:
                if resource.changed(property_name):
                    document = coerced(shapes, setting.shape, setting.convert(wanted[property_name]))
                    await call.request("s3", setting.put, {"Bucket": name, setting.member: document})
            elif property_name in old and property_name != "ReplicationConfiguration":
                if isinstance(setting.delete, str):
                    await call.request("s3", setting.delete, {"Bucket": name})
                else:
                    await call.request("s3", setting.put, {"Bucket": name, setting.member: setting.delete})
        for property_name, kind in _IDENTIFIED.items():
            if resource.changed(property_name):
                ids = {one["Id"] for one in wanted.get(property_name, [])}
                for one in wanted.get(property_name, []):
                    document = coerced(shapes, kind.member, kind.convert(one))
                    await call.request("s3", kind.put, {"Bucket": name, "Id": one["Id"], kind.member: document})
                for one in old.get(property_name, []):
                    if one["Id"] not in ids:
                        await call.request("s3", kind.delete, {"Bucket": name, "Id": one["Id"]})
        if resource.changed("AccessControl") and "AccessControl" in wanted:
            await call.request("s3", "PutBucketAcl", {"Bucket": name, "ACL": _CANNED.get(wanted["AccessControl"], wanted["AccessControl"])})
        tags = {**{tag["Key"]: str(tag["Value"]) for tag in wanted.get("Tags", [])}, **resource.tags}
        if tags:
            tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
            await call.request("s3", "PutBucketTagging", {"Bucket": name, "Tagging": {"TagSet": tag_set}})
        elif old.get("Tags"):
            await call.request("s3", "DeleteBucketTagging", {"Bucket": name})


def _created(call: Call, name: str) -> Created:
    region = call.region
    return Created(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
            "WebsiteURL": _website_url(call, name, region),
        },
    )


def _website_url(call: Call, name: str, region: str) -> str:
    """Where the bucket's website answers on this server."""
    scheme, _, place = call.endpoint.partition("://")
    host, colon, port = place.partition(":")
    base = "localhost" if host.replace(".", "").isdigit() else host
    return f"{scheme}://{name}.s3-website.{region}.{base}{colon}{port}"


@resource_type("AWS::S3::BucketPolicy")
class BucketPolicyResource(ResourceType):
    properties = {"Bucket", "PolicyDocument"}
    required = {"Bucket", "PolicyDocument"}
    replaces = {"Bucket"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        document = resource.properties["PolicyDocument"]
        text = document if isinstance(document, str) else json.dumps(document)
        await call.request("s3", "PutBucketPolicy", {"Bucket": resource.properties["Bucket"], "Policy": text})
        return Created(resource.properties["Bucket"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self.create(call, resource)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("s3", "DeleteBucketPolicy", {"Bucket": resource.physical_id})
        except AwsError as error:
            if error.code != "NoSuchBucket":
                raise


@resource_type("AWS::S3::AccessPoint")
class AccessPointResource(ResourceType):
    properties = {"Name", "Bucket", "BucketAccountId", "Policy", "PublicAccessBlockConfiguration", "VpcConfiguration", "Tags"}
    required = {"Bucket"}
    replaces = {"Name", "Bucket", "BucketAccountId", "PublicAccessBlockConfiguration", "VpcConfiguration"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        name = wanted.get("Name") or resource.generated_name(50, lower=True)
        request: Document = {"AccountId": call.account, "Name": name, "Bucket": wanted["Bucket"]}
        for member in ("BucketAccountId", "VpcConfiguration"):
            if member in wanted:
                request[member] = wanted[member]
        shapes = model.load("s3control").shapes
        if "PublicAccessBlockConfiguration" in wanted:
            shape = "PublicAccessBlockConfiguration"
            request[shape] = coerced(shapes, shape, wanted[shape])
        if wanted.get("Tags"):
            request["Tags"] = [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in wanted["Tags"]]
        made = await call.request("s3control", "CreateAccessPoint", request)
        try:
            await self._put_policy(call, resource, name)
        except AwsError:
            await call.request("s3control", "DeleteAccessPoint", {"AccountId": call.account, "Name": name})
            raise
        return _created_point(name, made["AccessPointArn"], made["Alias"], wanted)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.physical_id
        if resource.changed("Policy"):
            await self._put_policy(call, resource, name)
        found = await call.request("s3control", "GetAccessPoint", {"AccountId": call.account, "Name": name})
        if resource.changed("Tags"):
            await self._put_tags(call, resource, found["AccessPointArn"])
        return _created_point(name, found["AccessPointArn"], found["Alias"], resource.properties)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("s3control", "DeleteAccessPoint", {"AccountId": call.account, "Name": resource.physical_id})
        except AwsError as error:
            if error.code != "NoSuchAccessPoint":
                raise

    async def _put_policy(self, call: Call, resource: ResourceRequest, name: str) -> None:
        named = {"AccountId": call.account, "Name": name}
        document = resource.properties.get("Policy")
        if document:
            text = document if isinstance(document, str) else json.dumps(document)
            await call.request("s3control", "PutAccessPointPolicy", {**named, "Policy": text})
        elif resource.old_properties.get("Policy"):
            await call.request("s3control", "DeleteAccessPointPolicy", named)

    async def _put_tags(self, call: Call, resource: ResourceRequest, arn: str) -> None:
        wanted = resource.properties.get("Tags", [])
        keys = {tag["Key"] for tag in wanted}
        gone = [tag["Key"] for tag in resource.old_properties.get("Tags", []) if tag["Key"] not in keys]
        named = {"AccountId": call.account, "ResourceArn": arn}
        if gone:
            await call.request("s3control", "UntagResource", {**named, "TagKeys": gone})
        if wanted:
            tags = [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in wanted]
            await call.request("s3control", "TagResource", {**named, "Tags": tags})


def _created_point(name: str, arn: str, alias: str, wanted: Document) -> Created:
    origin = "VPC" if "VpcConfiguration" in wanted else "Internet"
    return Created(name, {"Arn": arn, "Alias": alias, "Name": name, "NetworkOrigin": origin})


@resource_type("AWS::S3::MultiRegionAccessPoint")
class MultiRegionAccessPointResource(ResourceType):
    properties = {"Name", "PublicAccessBlockConfiguration", "Regions"}
    required = {"Regions"}
    replaces = {"Name", "PublicAccessBlockConfiguration", "Regions"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        name = wanted.get("Name") or resource.generated_name(50, lower=True)
        details: Document = {"Name": name, "Regions": wanted["Regions"]}
        shape = "PublicAccessBlockConfiguration"
        if shape in wanted:
            details["PublicAccessBlock"] = coerced(model.load("s3control").shapes, shape, wanted[shape])
        await self._ask(call, "CreateMultiRegionAccessPoint", details)
        return await self._made(call, name)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._made(call, resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await self._ask(call, "DeleteMultiRegionAccessPoint", {"Name": resource.physical_id})
        except AwsError as error:
            if error.code != "NoSuchMultiRegionAccessPoint":
                raise

    async def _ask(self, call: Call, operation: str, details: Document) -> None:
        await call.request("s3control", operation, {"AccountId": call.account, "ClientToken": call.new_id(), "Details": details})

    async def _made(self, call: Call, name: str) -> Created:
        from groundcloud.wire.timestamps import iso8601

        named = {"AccountId": call.account, "Name": name}
        point = (await call.request("s3control", "GetMultiRegionAccessPoint", named))["AccessPoint"]
        return Created(name, {"Alias": point["Alias"], "CreatedAt": iso8601(point["CreatedAt"])})


@resource_type("AWS::S3::MultiRegionAccessPointPolicy")
class MultiRegionAccessPointPolicyResource(ResourceType):
    properties = {"MrapName", "Policy"}
    required = {"MrapName", "Policy"}
    replaces = {"MrapName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        document = resource.properties["Policy"]
        details = {
            "Name": resource.properties["MrapName"],
            "Policy": document if isinstance(document, str) else json.dumps(document),
        }
        request = {"AccountId": call.account, "ClientToken": call.new_id(), "Details": details}
        await call.request("s3control", "PutMultiRegionAccessPointPolicy", request)
        return Created(details["Name"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self.create(call, resource)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        """As on AWS, the policy stays with its point until that goes."""
