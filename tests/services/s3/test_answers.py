"""What S3 says of requests that SDKs do not make: its code, status, sentence and fields, over the bare wire."""

from __future__ import annotations

import re
from typing import Any

import pytest

_PRECONDITION = "At least one of the pre-conditions you specified did not hold"
_NOT_ALLOWED = "The specified method is not allowed against this resource."
_HEADER = "A header you provided implies functionality that is not implemented"
_RANGE = "not an integer or within integer range"

REFUSED: list[tuple[str, str, dict[str, str], bytes, int, str, str, dict[str, str]]] = [
    ("PUT", "/", {}, b"", 405, "MethodNotAllowed", _NOT_ALLOWED, {"Method": "PUT", "ResourceType": "SERVICE"}),
    ("PATCH", "/{b}", {}, b"", 405, "MethodNotAllowed", _NOT_ALLOWED, {"Method": "PATCH", "ResourceType": "BUCKET"}),
    ("POST", "/{b}/k", {}, b"", 405, "MethodNotAllowed", _NOT_ALLOWED, {"Method": "POST", "ResourceType": "OBJECT"}),
    ("POST", "/{b}", {}, b"", 412, "PreconditionFailed", _PRECONDITION, {"Condition": "Bucket POST must be of the enclosure-type multipart/form-data"}),
    ("GET", "/{b}?max-keys=a", {}, b"", 400, "InvalidArgument", f"Provided max-keys {_RANGE}", {"ArgumentName": "max-keys", "ArgumentValue": "a"}),
    ("GET", "/{b}?max-keys=2147483648", {}, b"", 400, "InvalidArgument", f"Provided max-keys {_RANGE}", {"ArgumentName": "max-keys"}),
    ("GET", "/?max-buckets=0", {}, b"", 400, "InvalidArgument", "Argument max-buckets must be an integer between 1 and 10000.", {"ArgumentValue": "0"}),
    ("GET", "/{b}/k?partNumber=x", {}, b"", 400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", {"ArgumentValue": "x"}),
    ("PUT", "/{b}/k?uploadId=u", {}, b"x", 400, "InvalidArgument", "This operation does not accept a query-string.", {"ArgumentName": "ResourceType"}),
    ("PUT", "/{b}/k?partNumber=1", {}, b"x", 400, "InvalidArgument", "This operation does not accept a query-string.", {"ArgumentValue": "partNumber"}),
    ("PUT", "/{b}/k", {"x-amz-acl": "none"}, b"x", 400, "InvalidArgument", "", {"ArgumentName": "x-amz-acl", "ArgumentValue": "none"}),
    ("PUT", "/{b}", {"x-amz-object-ownership": "No"}, b"", 400, "InvalidArgument", "Invalid x-amz-object-ownership header: No", {}),
    ("PUT", "/{b}/k", {"if-none-match": "x"}, b"x", 501, "NotImplemented", _HEADER, {"Header": "If-None-Match"}),
    ("PUT", "/{b}/k", {"if-match": "*"}, b"x", 501, "NotImplemented", _HEADER, {"Header": "If-Match"}),
    ("PUT", "/{b}/k", {"if-match": "x", "if-none-match": "*"}, b"x", 501, "NotImplemented", _HEADER, {"Header": "If-Match,If-None-Match"}),
    ("PUT", "/{b}/k", {"x-amz-expected-bucket-owner": "me"}, b"x", 400, "InvalidBucketOwnerAWSAccountID",
     "The value of the expected bucket owner parameter must be an AWS Account ID... [me]", {}),
    ("PUT", "/{b}/k", {"x-amz-trailer": "x-other"}, b"x", 400, "InvalidRequest", "The value specified in the x-amz-trailer header is not supported", {}),
    ("GET", "/{b}/k?attributes", {}, b"", 400, "InvalidRequest",
     "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty", {}),
    ("GET", "/{b}/k?attributes", {"x-amz-object-attributes": "Age"}, b"", 400, "InvalidArgument", "Invalid attribute name specified.", {"ArgumentValue": "Age"}),
    ("PUT", "/{b}?versioning", {}, b"<Versioning><Status>Enabled</Status></Versioning>", 400, "MalformedXML",
     "The XML you provided was not well-formed or did not validate against our published schema", {}),
    ("POST", "/{b}/k?uploadId=u", {}, b"", 400, "InvalidRequest", "You must specify at least one part", {}),
    ("GET", "/{b}/%zz", {}, b"", 400, "InvalidURI", "Couldn't parse the specified URI.", {}),
    ("PUT", "/{b}/k", {"x-amz-tagging": "a%zz=1"}, b"x", 400, "InvalidArgument",
     "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", {"ArgumentValue": "a%zz=1"}),
    ("GET", "/ab", {}, b"", 400, "InvalidBucketName", "The specified bucket is not valid.", {"BucketName": "ab"}),
    ("GET", "/No_such_Bucket", {}, b"", 404, "NoSuchBucket", "The specified bucket does not exist", {"BucketName": "No_such_Bucket"}),
    ("PUT", "/some-name-an", {}, b"", 400, "InvalidBucketName", "The specified bucket is not valid.", {"BucketName": "some-name-an"}),
    ("PUT", "/b-000000000001-us-east-1-an", {"x-amz-bucket-namespace": "account-regional"}, b"", 400, "InvalidBucketName", "The specified bucket is not valid.", {}),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0]} {case[1]} {' '.join(case[2])}")
def test_what_s3_refuses_and_how(send: Any, bucket: str, case: Any) -> None:
    method, target, headers, body, status, code, sentence, fields = case
    got, _, answer = send(method, target.format(b=bucket), headers, body)
    said = dict(re.findall(r"<(\w+)>([^<]*)</", answer.decode()))
    assert (got, said["Code"], said["Message"]) == (status, code, sentence)
    assert {name: said[name] for name in fields} == fields


def test_a_put_says_how_long_it_is(send: Any, bucket: str) -> None:
    status, _, body = send("PUT", f"/{bucket}/k")
    assert (status, b"<Code>MissingContentLength</Code>" in body) == (411, True)
    assert send("PUT", f"/{bucket}/k", unsigned=[("content-length", "0")])[0] == 200


def test_a_trailer_is_the_one_that_was_announced(send: Any, bucket: str) -> None:
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "1",
        "x-amz-trailer": "x-amz-checksum-sha1",
    }
    status, _, body = send("PUT", f"/{bucket}/k", headers, b"1\r\na\r\n0\r\nx-amz-checksum-crc32:6Le+Qw==\r\n\r\n")
    assert (status, b"<Code>MalformedTrailerError</Code>" in body) == (400, True)


def test_expires_of_the_answer_is_what_the_request_says(send: Any, bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert send("GET", f"/{bucket}/k?response-expires=soon")[1]["expires"] == "soon"


def test_checksums_are_shown_to_whoever_asks_in_any_case(send: Any, bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ChecksumAlgorithm="CRC32")
    assert send("HEAD", f"/{bucket}/k", {"x-amz-checksum-mode": "enabled"})[1]["x-amz-checksum-crc32"] == "g9zvtw=="


@pytest.mark.parametrize(
    ("authorization", "status", "code", "sentence"),
    [
        ("", 403, "AccessDenied", "Access Denied"),
        ("AWS nonsense", 400, "InvalidArgument", "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"),
        (
            "AWS key:signature",
            400,
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        ),
        ("Bearer me", 400, "InvalidArgument", "Unsupported Authorization Type"),
    ],
)
def test_authorizations_that_are_none(send: Any, bucket: str, authorization: str, status: int, code: str, sentence: str) -> None:
    got, _, body = send("GET", f"/{bucket}", {"authorization": authorization}, signed=False)
    assert (got, f"<Code>{code}</Code><Message>{sentence}</Message>" in body.decode()) == (status, True)


def test_a_listing_says_where_its_bucket_is(send: Any, bucket: str) -> None:
    assert send("GET", f"/{bucket}?list-type=2")[1]["x-amz-bucket-region"] == "us-east-1"


def test_a_part_of_a_composite_object_has_its_own_checksum(send: Any, s3: Any, bucket: str) -> None:
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"1", ChecksumAlgorithm="CRC32")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    head = send("HEAD", f"/{bucket}/k?partNumber=1", {"x-amz-checksum-mode": "ENABLED"})[1]
    assert (head["x-amz-checksum-crc32"], head["x-amz-checksum-type"]) == (part["ChecksumCRC32"], "COMPOSITE")
    whole = send("GET", f"/{bucket}/k", {"x-amz-checksum-mode": "ENABLED", "range": "bytes=0-"})[1]
    assert whole["x-amz-checksum-crc32"] == done["ChecksumCRC32"]


def test_ids_of_notifications_are_unique(s3: Any, client: Any, bucket: str, refused: Any) -> None:
    arn = "arn:aws:sns:us-east-1:000000000000:none"
    twice = [{"Id": "a", "TopicArn": arn, "Events": [f"s3:Object{what}:*"]} for what in ("Created", "Removed")]
    said = refused(
        "InvalidArgument",
        400,
        s3.put_bucket_notification_configuration,
        Bucket=bucket,
        NotificationConfiguration={"TopicConfigurations": twice},
        SkipDestinationValidation=True,
    )
    assert said["Message"] == "Same ID used for multiple configurations. IDs must be unique"


def test_an_empty_content_type_is_none(send: Any, bucket: str) -> None:
    send("PUT", f"/{bucket}/k", {"content-type": ""}, b"1")
    assert send("HEAD", f"/{bucket}/k")[1]["content-type"] == "binary/octet-stream"


def test_a_signature_for_another_region_is_told_the_buckets(
    s3: Any, client: Any, new_bucket: Any, refused: Any, ground: Any, account: str
) -> None:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    bucket = new_bucket(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "us-west-2"
    far = client("s3", region_name="eu-west-1")
    far.put_object(Bucket=bucket, Key="k", Body=b"1")  # the SDK hears the region and asks again
    with pytest.raises(HTTPError) as caught:
        urlopen(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}))
    said = caught.value.read()
    assert (caught.value.code, caught.value.headers["x-amz-bucket-region"]) == (400, "us-west-2")
    assert b"<Code>AuthorizationQueryParametersError</Code>" in said
    assert b"the region 'us-east-1' is wrong; expecting 'us-west-2'</Message><Region>us-west-2</Region>" in said


def test_the_source_of_a_copy_may_be_in_another_region(s3: Any, client: Any, new_bucket: Any) -> None:
    there, here = new_bucket(CreateBucketConfiguration={"LocationConstraint": "us-west-2"}), new_bucket()
    client("s3", region_name="us-west-2").put_object(Bucket=there, Key="k", Body=b"1")
    s3.copy_object(Bucket=here, Key="k", CopySource=f"{there}/k")
    upload = {"Bucket": here, "Key": "m", "UploadId": s3.create_multipart_upload(Bucket=here, Key="m")["UploadId"]}
    s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{there}/k")


def test_a_signature_of_a_header_for_another_region(send: Any, new_bucket: Any) -> None:
    bucket = new_bucket(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    status, headers, body = send("GET", f"/{bucket}/k")
    assert (status, headers["x-amz-bucket-region"]) == (400, "us-west-2")
    assert b"<Code>AuthorizationHeaderMalformed</Code>" in body
    assert b"The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'us-west-2'" in body


def test_an_account_and_region_have_names_of_their_own(s3: Any, account: str, refused: Any) -> None:
    name = f"mine-{account}-us-east-1-an"
    refused("InvalidBucketName", 400, s3.create_bucket, Bucket=name)
    s3.create_bucket(Bucket=name, BucketNamespace="account-regional")
    refused("BucketAlreadyOwnedByYou", 409, s3.create_bucket, Bucket=name, BucketNamespace="account-regional")
    s3.delete_bucket(Bucket=name)


def test_every_answer_says_whose_it_is(send: Any, bucket: str) -> None:
    for method, target in (("GET", f"/{bucket}"), ("HEAD", f"/{bucket}/none")):
        headers = send(method, target)[1]
        assert headers["server"] == "AmazonS3"
        assert {"date", "x-amz-request-id", "x-amz-id-2"} <= set(headers)


# AWS: "Working with object metadata": the bytes that came, as text, as RFC 2047 has it.
@pytest.mark.parametrize(
    ("put", "got"),
    [
        ("AMAZONS3", "AMAZONS3"),
        ("=?UTF-8?B?w6k=?=", "=?UTF-8?B?w6k=?="),
        ("=?UTF-8?Q?plain?=", "plain"),
        ("=?UTF-8?Q?caf=C3=A9?=", "=?UTF-8?B?Y2Fmw6k=?="),
        ("=?nothing?=", "=?nothing?="),
        ("", ""),
    ],
)
def test_metadata_of_other_than_ascii_is_encoded(s3: Any, bucket: str, put: str, got: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"m": put})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"]["m"] == got


def test_metadata_of_bytes_is_text(send: Any, s3: Any, bucket: str) -> None:
    assert send("PUT", f"/{bucket}/k", {"x-amz-meta-nonascii": "ÄMÄZÕÑ S3"}, b"1")[0] == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"]["nonascii"] == "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?="


@pytest.mark.parametrize(
    ("condition", "status"),
    [("{etag}", 206), ('"other"', 200), ("W/{etag}", 200), ("{modified}", 206), ("Sat, 01 Jan 2000 00:00:00 GMT", 200), ("soon", 200)],
)
def test_a_range_counts_where_if_range_holds(send: Any, s3: Any, bucket: str, condition: str, status: int) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    head = send("HEAD", f"/{bucket}/k")[1]
    wanted = condition.format(etag=head["etag"], modified=head["last-modified"])
    assert send("GET", f"/{bucket}/k", {"range": "bytes=0-1", "if-range": wanted})[0] == status


def test_conditions_of_directory_buckets_are_refused_for_each_key(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    said = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "Size": 1}, {"Key": "l"}]})
    assert ([error["Code"] for error in said["Errors"]], [one["Key"] for one in said["Deleted"]]) == (["NotImplemented"], ["l"])


def test_headers_may_stand_in_a_presigned_url(s3: Any, bucket: str, ground: Any, account: str) -> None:
    """As the SDKs for JavaScript and Go sign: what is no header of the request is in its query."""
    from urllib.parse import urlencode
    from urllib.request import Request, urlopen

    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def put(key: str, body: bytes, **headers: str) -> bytes:
        query = urlencode({name.replace("_", "-"): value for name, value in headers.items()})
        request = AWSRequest("PUT", f"{ground.endpoint}/{bucket}/{key}?{query}")
        S3SigV4QueryAuth(Credentials(account, "test"), "s3", "us-east-1", expires=60).add_auth(request)
        with urlopen(Request(request.prepare().url, data=body, method="PUT")) as answer:
            found: bytes = answer.read()
        return found

    # The checksum is that of no body: the signer had none yet.
    checksum = {"x_amz_sdk_checksum_algorithm": "CRC32", "x_amz_checksum_crc32": "AAAAAA=="}
    put("k", b"body", x_amz_meta_a="1", x_amz_storage_class="STANDARD_IA", x_amz_tagging="t=1", **checksum)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["Metadata"], head["StorageClass"], head["TagCount"]) == ({"a": "1"}, "STANDARD_IA", 1)
    assert b"<CopyObjectResult" in put("copy", b"", x_amz_copy_source=f"{bucket}/k")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"body"


def test_whoever_may_not_look_still_hears_where_a_bucket_is(send: Any, new_bucket: Any) -> None:
    bucket = new_bucket(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    status, headers, _ = send("HEAD", f"/{bucket}", signed=False)
    assert (status, headers["x-amz-bucket-region"]) == (403, "us-west-2")


def test_a_bucket_at_the_host_name_of_another_region_has_moved(ground: Any, new_bucket: Any, account: str) -> None:
    import http.client

    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    bucket = new_bucket()
    host = f"{bucket}.s3.us-west-2.amazonaws.com"
    request = AWSRequest("GET", f"http://{host}/k")
    S3SigV4Auth(Credentials(account, "test"), "s3", "us-west-2").add_auth(request)
    connection = http.client.HTTPConnection(ground.endpoint.partition("//")[2])
    connection.request("GET", "/k", headers={**dict(request.headers.items()), "Host": host})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert (answer.status, answer.headers["x-amz-bucket-region"]) == (301, "us-east-1")
    assert f"<Endpoint>{bucket}.s3.us-east-1.amazonaws.com</Endpoint><Bucket>{bucket}</Bucket>".encode() in body
    assert b"<Code>PermanentRedirect</Code>" in body
