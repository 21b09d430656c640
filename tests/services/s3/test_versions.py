"""Versions: delete markers, null versions, ids; the table at the top of `versions`, walked by hypothesis against a model."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test


def test_every_put_is_a_version(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket(Versioning="Enabled")
    ids = [s3.put_object(Bucket=bucket, Key="k", Body=str(n).encode())["VersionId"] for n in range(3)]
    assert len(set(ids)) == 3
    assert all(len(version_id) == 32 for version_id in ids)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["VersionId"]) == (b"2", ids[2])
    for n, version_id in enumerate(ids):
        assert s3.get_object(Bucket=bucket, Key="k", VersionId=version_id)["Body"].read() == str(n).encode()
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(one["VersionId"], one["IsLatest"]) for one in listed] == [(ids[2], True), (ids[1], False), (ids[0], False)]
    unknown = ids[0][:-4] + "AAAA"
    error = refused("NoSuchVersion", 404, s3.get_object, Bucket=bucket, Key="k", VersionId=unknown)
    assert (error["Message"], error["Key"], error["VersionId"]) == ("The specified version does not exist.", "k", unknown)
    error = refused("InvalidArgument", 400, s3.get_object, Bucket=bucket, Key="k", VersionId="nonsense")
    assert (error["Message"], error["ArgumentName"], error["ArgumentValue"]) == ("Invalid version id specified", "versionId", "nonsense")


def test_a_delete_marker_hides_the_object(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket(Versioning="Enabled")
    version_id = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert deleted["DeleteMarker"] is True
    marker_id = deleted["VersionId"]
    error = refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="k")
    assert (error["headers"]["x-amz-delete-marker"], error["headers"]["x-amz-version-id"]) == ("true", marker_id)
    error = refused("MethodNotAllowed", 405, s3.get_object, Bucket=bucket, Key="k", VersionId=marker_id)
    assert error["Message"] == "The specified method is not allowed against this resource."
    assert (error["headers"]["allow"], error["headers"]["x-amz-delete-marker"]) == ("DELETE", "true")
    refused("405", 405, s3.head_object, Bucket=bucket, Key="k", VersionId=marker_id)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    listed = s3.list_object_versions(Bucket=bucket)
    assert [(one["VersionId"], one["IsLatest"]) for one in listed["DeleteMarkers"]] == [(marker_id, True)]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=version_id)["Body"].read() == b"x"
    undeleted = s3.delete_object(Bucket=bucket, Key="k", VersionId=marker_id)
    assert (undeleted["DeleteMarker"], undeleted["VersionId"]) == (True, marker_id)
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == version_id


def test_deleting_what_is_not_there_still_puts_a_marker(s3: Any, new_bucket: Any) -> None:
    bucket = new_bucket(Versioning="Enabled")
    assert s3.delete_object(Bucket=bucket, Key="none")["DeleteMarker"] is True
    many = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "other"}]})["Deleted"]
    assert (many[0]["Key"], many[0]["DeleteMarker"], len(many[0]["DeleteMarkerVersionId"])) == ("other", True, 32)


def test_what_was_before_versioning_is_the_null_version(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    assert "VersionId" not in s3.head_object(Bucket=bucket, Key="k")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"old"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"again")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"again"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2


def test_a_version_is_copied_by_its_id(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket(Versioning="Enabled")
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    copied = s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k", "VersionId": first})
    assert copied["CopySourceVersionId"] == first
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    source = {"Bucket": bucket, "Key": "k", "VersionId": marker}
    error = refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key="c", CopySource=source)
    assert error["Message"] == "The source of a copy request may not specifically refer to a delete marker by version id."


class Model(RuleBasedStateMachine):
    """A bucket beside a list of versions a key, oldest first: [(id, content or None for a marker)]."""

    s3: Any = None
    names: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.bucket = next(self.names)
        self.s3.create_bucket(Bucket=self.bucket)
        self.status = ""
        self.versions: dict[str, list[tuple[str, bytes | None]]] = {}
        self.count = itertools.count()

    def place(self, key: str, version_id: str, content: bytes | None) -> None:
        known = self.versions.setdefault(key, [])
        if version_id == "null":
            known[:] = [one for one in known if one[0] != "null"]
        known.append((version_id, content))

    @rule(status=st.sampled_from(["Enabled", "Suspended"]))
    def set_versioning(self, status: str) -> None:
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})
        self.status = status

    @rule(key=st.sampled_from(["a", "a\x7f", "a/b"]), large=st.booleans())
    def put(self, key: str, large: bool) -> None:
        content = str(next(self.count)).encode() * (30_000 if large else 1)
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        assert ("VersionId" in answer) == (self.status == "Enabled")
        self.place(key, answer.get("VersionId", "null"), content)

    @rule(key=st.sampled_from(["a", "a\x7f", "a/b"]))
    def delete(self, key: str) -> None:
        answer = self.s3.delete_object(Bucket=self.bucket, Key=key)
        if not self.status:
            self.versions.pop(key, None)
        else:
            assert answer["DeleteMarker"] is True
            self.place(key, answer["VersionId"], None)

    @rule(data=st.data())
    def delete_version(self, data: Any) -> None:
        every = [(key, version_id) for key, known in self.versions.items() for version_id, _ in known]
        if every:
            key, version_id = data.draw(st.sampled_from(every))
            self.s3.delete_object(Bucket=self.bucket, Key=key, VersionId=version_id)
            self.versions[key] = [one for one in self.versions[key] if one[0] != version_id]
            if not self.versions[key]:
                del self.versions[key]

    @invariant()
    def listings_and_contents_are_the_models(self) -> None:
        current = {key: known[-1] for key, known in self.versions.items()}
        shown = [one["Key"] for one in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        assert shown == sorted(key for key, (_, content) in current.items() if content is not None)
        listed, markers = [], {}
        while True:
            page = self.s3.list_object_versions(Bucket=self.bucket, MaxKeys=2, **markers)
            rows = [(one, False) for one in page.get("Versions", [])] + [(one, True) for one in page.get("DeleteMarkers", [])]
            listed += [(one["Key"], one["VersionId"], one["IsLatest"], marker) for one, marker in rows]
            if not page["IsTruncated"]:
                break
            markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
        wanted = [
            (key, version_id, n == len(known) - 1, content is None)
            for key, known in self.versions.items()
            for n, (version_id, content) in enumerate(known)
        ]
        assert sorted(listed) == sorted(wanted)
        for key, known in self.versions.items():
            for version_id, content in known:
                if content is not None:
                    assert self.s3.get_object(Bucket=self.bucket, Key=key, VersionId=version_id)["Body"].read() == content


@pytest.mark.slow
def test_versions_are_those_of_the_model(s3: Any, account: str) -> None:
    Model.s3 = s3
    Model.names = (f"m{account}-{n}" for n in itertools.count())
    run_state_machine_as_test(
        Model, settings=settings(max_examples=25, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
    )


def test_versions_are_listed_in_pages_with_prefixes(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket(Versioning="Enabled")
    for key in ("a/1", "a/1", "a/2", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    rolled = s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert rolled["CommonPrefixes"] == [{"Prefix": "a/"}]
    assert [one["Key"] for one in rolled["Versions"]] == ["b"]
    assert [one["Key"] for one in s3.list_object_versions(Bucket=bucket, KeyMarker="a/1")["Versions"]] == ["a/2", "b"]
    assert [one["Key"] for one in s3.list_object_versions(Bucket=bucket, Prefix="a/1")["Versions"]] == ["a/1", "a/1"]
    error = refused("InvalidArgument", 400, s3.list_object_versions, Bucket=bucket, VersionIdMarker="null")
    assert error["Message"] == "A version-id marker cannot be specified without a key marker."


def test_a_document_with_far_too_many_keys_is_refused_before_it_is_read(s3: Any, bucket: str, refused: Any) -> None:
    keys = [{"Key": f"some/rather/long/key/{n}"} for n in range(40_000)]
    refused("MaxMessageLengthExceeded", 400, s3.delete_objects, Bucket=bucket, Delete={"Objects": keys})
    refused("MalformedXML", 400, s3.delete_objects, Bucket=bucket, Delete={"Objects": keys[:1001]})


def test_a_legal_hold_that_was_let_go_is_off(s3: Any, new_bucket: Any, refused: Any) -> None:
    bucket = new_bucket(ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    refused("NoSuchObjectLockConfiguration", 404, s3.get_object_legal_hold, Bucket=bucket, Key="k")
    for status in ("ON", "OFF"):
        s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": status})
        assert s3.get_object_legal_hold(Bucket=bucket, Key="k")["LegalHold"] == {"Status": status}
        assert s3.head_object(Bucket=bucket, Key="k")["ObjectLockLegalHoldStatus"] == status


def test_the_mode_of_a_retention_changes_by_bypass_alone(s3: Any, new_bucket: Any, clock: Any, refused: Any) -> None:
    bucket = new_bucket(ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    until = clock.now_s() + 86_400

    def retain(mode: str, **more: Any) -> None:
        s3.put_object_retention(Bucket=bucket, Key="k", Retention={"Mode": mode, "RetainUntilDate": until}, **more)

    retain("GOVERNANCE")
    refused("AccessDenied", 403, retain, mode="COMPLIANCE")
    retain("COMPLIANCE", BypassGovernanceRetention=True)
    refused("AccessDenied", 403, retain, mode="GOVERNANCE", BypassGovernanceRetention=True)
