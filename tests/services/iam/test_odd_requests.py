"""Every operation of IAM and STS, given what nobody would give it: an error of the caller's, never one of ours."""

from __future__ import annotations

import random

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from groundcloud.services.iam import SERVICE as IAM
from groundcloud.services.sts import SERVICE as STS

ROUNDS = 12


def texts(account, rng):
    arn = f"arn:aws:iam::{account}:"
    return rng.choice(
        [
            "a",
            "aa",
            "A" * 70,
            "x" * 3000,
            "é",
            "\u4e2d",
            "a/b",
            "..",
            "*",
            "/",
            "/x/",
            "//",
            "arn:aws:iam",
            "arn:aws:iam::x:user/a/b/c",
            arn + "user/a",
            arn + "role/a",
            arn + "group/a",
            arn + "policy/a",
            arn + "oidc-provider/x",
            arn + "saml-provider/x",
            "arn:aws:iam::aws:policy/AdministratorAccess",
            "arn:aws:iam::aws:policy/service-role/",
            "https://localhost/x",
            "https://",
            "http://[::1",
            "https://[x",
            "ecs.amazonaws.com",
            "task/aws-service-role/x/y/z",
            "AKIAAAAAAAAAAAAAAAAA",
            "ASIAAAAAAAAAAAAAAAAA",
            "v1",
            "v99999999999999999999",
            "v\u0661",
            "{}",
            "[]",
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Principal":{"AWS":"*"}}}',
            '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}',
            '{"Version":"2012-10-17","Statement":[[],5,null]}',
            "[" * 2000,
            "MQ==",
            "kcAB",
            "a.b.c",
            "e30.e30.e30",
            "1e400",
            "aws:x",
        ]
    )


def value(shape, account, rng, depth=0):
    kind = shape.type_name
    if kind == "string":
        enum = getattr(shape, "enum", None)
        return rng.choice(enum) if enum and rng.random() < 0.8 else texts(account, rng)
    if kind in ("integer", "long"):
        return rng.choice([0, 1, 2, 900, 3600, 43200, 100000, -1, 2**31])
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "list":
        return [value(shape.member, account, rng, depth + 1) for _ in range(rng.randrange(3))]
    if kind == "structure":
        return {name: value(member, account, rng, depth + 1) for name, member in shape.members.items() if rng.random() < 0.8}
    return b"x" if kind == "blob" else 1


@pytest.mark.parametrize(("service", "name"), [(each.name, name) for each in (IAM, STS) for name in sorted(each.operations)])
def test_odd_requests_are_answered_or_refused(client, account, trust, policy, service, name):
    rng = random.Random(name)
    iam = client("iam")
    iam.create_user(UserName="a")
    iam.create_group(GroupName="a")
    iam.create_role(RoleName="a", AssumeRolePolicyDocument=trust({"AWS": account}))
    iam.create_policy(PolicyName="a", PolicyDocument=policy("s3:*"))
    api = client(service, parameter_validation=False)
    model = api.meta.service_model.operation_model(name)
    call = getattr(api, next(method for method, operation in api.meta.method_to_api_mapping.items() if operation == name))
    # Each password costs a scrypt.
    for _ in range(2 if name in ("CreateLoginProfile", "UpdateLoginProfile", "ChangePassword") else ROUNDS):
        members = model.input_shape.members if model.input_shape is not None else {}
        required = model.input_shape.required_members if model.input_shape is not None else []
        params = {each: value(shape, account, rng) for each, shape in members.items() if each in required or rng.random() < 0.4}
        try:
            call(**params)
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            assert status < 500 or code == "NotImplementedException", (params, error.response["Error"])
        except HTTPClientError as error:
            raise AssertionError(params) from error
