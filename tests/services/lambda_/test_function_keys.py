"""Functions with a key of KMS for their variables: who makes them, who sees the variables, and what a key that cannot be used does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import RUNTIME, make_function, make_role, zipped
from tests.services.lambda_.test_resources import Stack
from tests.services.lambda_.test_resources import function as templated
from tests.services.lambda_.test_serverless_functions import Application, serverless

SOURCE = "import os\ndef handler(event, context): return os.environ.get('WORD')"
VARIABLES = {"Environment": {"Variables": {"WORD": "secret"}}}
DECRYPTING = "Lambda was unable to decrypt your environment variables because "


@pytest.fixture
def kms(client: Callable[..., Any]) -> Any:
    return client("kms")


@pytest.fixture
def make_key(kms: Any) -> Callable[[], str]:
    return lambda: str(kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def key_arn(make_key: Callable[[], str]) -> str:
    return make_key()


@pytest.fixture
def sealed(function: Callable[..., str], key_arn: str) -> Callable[..., str]:
    """`sealed(MemorySize=256)`: the name of a function whose variables are under the key."""
    return lambda **options: function(SOURCE, **{"KMSKeyArn": key_arn, **VARIABLES, **options})


@pytest.fixture
def grants(kms: Any) -> Callable[[str], list[dict[str, Any]]]:
    return lambda key_arn: list(kms.list_grants(KeyId=key_arn)["Grants"])


@pytest.fixture
def user(client: Callable[..., Any]) -> Callable[..., Any]:
    """`user("lambda:*")`: a client of Lambda that may do these things."""
    iam = client("iam")

    def make(*actions: str) -> Any:
        name = f"user{len(iam.list_users()['Users'])}"
        iam.create_user(UserName=name)
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return client("lambda", account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    return make


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    answer = refused.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def variables(lambda_: Any, name: str, **options: Any) -> Any:
    shown = lambda_.get_function_configuration(FunctionName=name, **options).get("Environment")
    return shown and shown.get("Variables")


# Giving a key


def test_the_role_has_a_grant_on_the_key(sealed: Callable[..., str], grants: Any, key_arn: str, answer: Any, account: str) -> None:
    name = sealed()
    (grant,) = grants(key_arn)
    session = f"arn:aws:sts::{account}:assumed-role/function-role/{name}"
    assert (grant["GranteePrincipal"], grant["Operations"]) == (session, ["Decrypt", "RetireGrant"])
    context = {"aws:lambda:FunctionArn": f"arn:aws:lambda:us-east-1:{account}:function:{name}"}
    assert grant["Constraints"] == {"EncryptionContextEquals": context}
    assert answer(name) == "secret"


def test_a_key_may_be_named_by_the_arn_of_an_alias(sealed: Callable[..., str], lambda_: Any, kms: Any, key_arn: str, answer: Any) -> None:
    kms.create_alias(AliasName="alias/functions", TargetKeyId=key_arn)
    alias_arn = key_arn.rpartition("key/")[0] + "alias/functions"
    name = sealed(KMSKeyArn=alias_arn)
    assert answer(name) == "secret"
    assert lambda_.get_function_configuration(FunctionName=name)["KMSKeyArn"] == alias_arn


def test_as_many_variables_as_aws_takes_fit_under_a_key(sealed: Callable[..., str], lambda_: Any, answer: Any) -> None:
    word = "\u00e9" * ((4096 - len('{"WORD":""}')) // 2)
    name = sealed(Environment={"Variables": {"WORD": word}})
    assert (answer(name), variables(lambda_, name)) == (word, {"WORD": word})


def test_what_is_no_arn_is_no_key(sealed: Callable[..., str], key_arn: str) -> None:
    _, code, message = refusal(sealed, KMSKeyArn=key_arn.rpartition("/")[2])
    assert code in ("ValidationException", "InvalidParameterValueException")
    assert "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()" in message
    status, code, message = refusal(sealed, KMSKeyArn="arn:aws:s3:::bucket")
    assert (status, code) == (400, "InvalidParameterValueException")
    assert "KMS Exception: InvalidArnException" in message


def test_a_key_that_is_not_there_makes_no_function(sealed: Callable[..., str], lambda_: Any, account: str) -> None:
    missing = f"arn:aws:kms:us-east-1:{account}:key/00000000-0000-0000-0000-000000000000"
    status, code, message = refusal(sealed, KMSKeyArn=missing)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message.startswith("Lambda was unable to encrypt your environment variables because the KMS key is invalid for Encrypt. ")
    assert "Please check your KMS key settings. KMS Exception: NotFoundException KMS Message: " in message
    assert lambda_.list_functions()["Functions"] == []


def test_a_key_that_is_disabled_makes_no_function(sealed: Callable[..., str], kms: Any, key_arn: str) -> None:
    kms.disable_key(KeyId=key_arn)
    _, code, message = refusal(sealed)
    assert code == "InvalidParameterValueException"
    assert message.startswith(
        "Lambda was unable to encrypt your environment variables because the KMS key used is disabled. "
        "Please check your KMS key settings. KMS Exception: DisabledException KMS Message: "
    )


@pytest.mark.parametrize(
    "allowed, sentence",
    [
        (
            (),
            "Lambda was unable to encrypt your environment variables because the KMS access was denied. Please check your KMS permissions.",
        ),
        (
            ("kms:Encrypt",),
            "Lambda was unable to configure access to your environment variables because the KMS access was denied. "
            "Please check your KMS permissions.",
        ),
    ],
)
def test_who_may_not_use_the_key_makes_no_function(
    user: Callable[..., Any], role: str, key_arn: str, allowed: tuple[str, ...], sentence: str
) -> None:
    maker = user("lambda:*", "iam:PassRole", *allowed)
    made = {"FunctionName": "f", "Role": role, "Runtime": RUNTIME, "Handler": "app.handler", "Code": {"ZipFile": zipped(SOURCE)}}
    _, code, message = refusal(maker.create_function, **made, KMSKeyArn=key_arn, **VARIABLES)
    assert code == "InvalidParameterValueException"
    assert message.startswith(f"{sentence} KMS Exception: AccessDeniedException KMS Message: User: arn:aws:iam:")


def test_who_may_use_the_key_through_lambda_for_that_function_makes_it(
    client: Callable[..., Any], user: Callable[..., Any], role: str, key_arn: str, account: str
) -> None:
    maker = user("lambda:*", "iam:PassRole")
    facts = {
        "kms:ViaService": "lambda.us-east-1.amazonaws.com",
        "kms:EncryptionContext:aws:lambda:FunctionArn": f"arn:aws:lambda:us-east-1:{account}:function:f",
    }
    statements = [
        {"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": key_arn, "Condition": {"StringEquals": facts}},
        {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": key_arn, "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    client("iam").put_user_policy(UserName="user0", PolicyName="key", PolicyDocument=document)
    made = {"Role": role, "Runtime": RUNTIME, "Handler": "app.handler", "Code": {"ZipFile": zipped(SOURCE)}}
    shown = maker.create_function(FunctionName="f", **made, KMSKeyArn=key_arn, **VARIABLES)
    assert shown["Environment"] == VARIABLES["Environment"]
    assert refusal(maker.create_function, FunctionName="g", **made, KMSKeyArn=key_arn, **VARIABLES)[1] == "InvalidParameterValueException"


def test_the_key_may_be_the_one_that_kms_manages_for_lambda(sealed: Callable[..., str], account: str, answer: Any) -> None:
    assert answer(sealed(KMSKeyArn=f"arn:aws:kms:us-east-1:{account}:alias/aws/lambda")) == "secret"


# Changing


def test_another_key_takes_the_variables_along(
    sealed: Callable[..., str], lambda_: Any, kms: Any, grants: Any, make_key: Any, key_arn: str, answer: Any
) -> None:
    name, other_arn = sealed(), make_key()
    lambda_.update_function_configuration(FunctionName=name, KMSKeyArn=other_arn)
    assert (grants(key_arn), len(grants(other_arn))) == ([], 1)
    kms.disable_key(KeyId=key_arn)
    assert answer(name) == "secret"
    assert variables(lambda_, name) == {"WORD": "secret"}


def test_an_empty_key_is_the_default_one(
    sealed: Callable[..., str], lambda_: Any, kms: Any, grants: Any, key_arn: str, answer: Any
) -> None:
    name = sealed()
    shown = lambda_.update_function_configuration(FunctionName=name, KMSKeyArn="")
    assert "KMSKeyArn" not in shown and shown["Environment"] == VARIABLES["Environment"]
    assert grants(key_arn) == []
    kms.disable_key(KeyId=key_arn)
    assert answer(name) == "secret"


def test_a_key_may_be_given_later(function: Callable[..., str], lambda_: Any, kms: Any, key_arn: str) -> None:
    name = function(SOURCE, **VARIABLES)
    lambda_.update_function_configuration(FunctionName=name, KMSKeyArn=key_arn)
    assert variables(lambda_, name) == {"WORD": "secret"}
    kms.disable_key(KeyId=key_arn)
    assert refusal(lambda_.invoke, FunctionName=name)[1] == "KMSDisabledException"


def test_variables_that_change_stay_under_the_key(sealed: Callable[..., str], lambda_: Any, grants: Any, key_arn: str, answer: Any) -> None:
    name = sealed()
    before = lambda_.get_function_configuration(FunctionName=name)["ConfigSha256"]
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"WORD": "other"}})
    assert (answer(name), len(grants(key_arn))) == ("other", 1)
    assert lambda_.get_function_configuration(FunctionName=name)["ConfigSha256"] != before
    lambda_.update_function_configuration(FunctionName=name, Timeout=9)
    assert answer(name) == "other"
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {}})
    assert answer(name) is None
    assert "Environment" not in lambda_.get_function_configuration(FunctionName=name)


def test_the_same_variables_again_make_no_new_version(sealed: Callable[..., str], lambda_: Any) -> None:
    name = sealed()
    assert lambda_.publish_version(FunctionName=name)["Version"] == "1"
    lambda_.update_function_configuration(FunctionName=name, **VARIABLES)
    assert lambda_.publish_version(FunctionName=name)["Version"] == "1"


def test_another_role_has_a_grant_of_its_own(
    sealed: Callable[..., str], lambda_: Any, client: Callable[..., Any], grants: Any, key_arn: str, answer: Any
) -> None:
    name = sealed()
    lambda_.update_function_configuration(FunctionName=name, Role=make_role(client("iam"), "other-role"))
    assert [grant["GranteePrincipal"].split("/")[1] for grant in grants(key_arn)] == ["other-role"]
    assert answer(name) == "secret"


def test_a_published_version_keeps_its_key(
    sealed: Callable[..., str], lambda_: Any, kms: Any, grants: Any, make_key: Any, key_arn: str, answer: Any
) -> None:
    name = sealed(Publish=True)
    lambda_.update_function_configuration(FunctionName=name, KMSKeyArn=make_key(), Environment={"Variables": {"WORD": "new"}})
    assert len(grants(key_arn)) == 1
    assert (answer(name), answer(name, Qualifier="1")) == ("new", "secret")
    shown = lambda_.list_versions_by_function(FunctionName=name)["Versions"]
    assert [one["Environment"]["Variables"]["WORD"] for one in shown] == ["new", "secret"]
    assert shown[1]["KMSKeyArn"] == key_arn
    lambda_.delete_function(FunctionName=name, Qualifier="1")
    assert grants(key_arn) == []


def test_a_function_that_is_deleted_leaves_no_grant(sealed: Callable[..., str], lambda_: Any, kms: Any, grants: Any, key_arn: str) -> None:
    names = sealed(), sealed(Publish=True)
    kms.disable_key(KeyId=key_arn)
    lambda_.delete_function(FunctionName=names[1])
    assert [grant["Name"] for grant in grants(key_arn)] == [names[0]]


# Starting


def test_a_key_that_is_disabled_keeps_new_environments_from_starting(
    sealed: Callable[..., str], lambda_: Any, kms: Any, key_arn: str, answer: Any
) -> None:
    name = sealed()
    kms.disable_key(KeyId=key_arn)
    status, code, message = refusal(lambda_.invoke, FunctionName=name)
    assert (status, code) == (502, "KMSDisabledException")
    assert message.startswith(
        "Lambda was unable to decrypt the environment variables because the KMS key used is disabled. "
        "Please check the function's KMS key settings. KMS Exception: DisabledExceptionKMS Message: "
    )
    kms.enable_key(KeyId=key_arn)
    assert answer(name) == "secret"


def test_a_warm_environment_goes_on_without_the_key(sealed: Callable[..., str], kms: Any, key_arn: str, answer: Any) -> None:
    name = sealed()
    assert answer(name) == "secret"
    kms.disable_key(KeyId=key_arn)
    assert answer(name) == "secret"


def test_a_function_without_variables_starts_without_the_key(
    function: Callable[..., str], lambda_: Any, kms: Any, key_arn: str, answer: Any
) -> None:
    name = function(SOURCE, KMSKeyArn=key_arn)
    kms.disable_key(KeyId=key_arn)
    assert answer(name) is None
    assert "Environment" not in lambda_.get_function_configuration(FunctionName=name)


def test_a_key_that_is_deleted_takes_the_variables_with_it(
    sealed: Callable[..., str], lambda_: Any, kms: Any, key_arn: str, clock: Any
) -> None:
    name = sealed()
    kms.schedule_key_deletion(KeyId=key_arn, PendingWindowInDays=7)
    status, code, message = refusal(lambda_.invoke, FunctionName=name)
    assert (status, code) == (502, "KMSInvalidStateException")
    assert "because the state of the KMS key used is not valid for Decrypt. " in message
    clock.advance("8d")
    status, code, message = refusal(lambda_.invoke, FunctionName=name)
    assert (status, code) == (502, "KMSNotFoundException")
    assert "because the KMS key was not found. " in message
    assert lambda_.get_function_configuration(FunctionName=name)["Environment"]["Error"]["ErrorCode"] == "NotFoundException"
    lambda_.delete_function(FunctionName=name)


def test_a_grant_that_is_revoked_denies_access(sealed: Callable[..., str], lambda_: Any, kms: Any, grants: Any, key_arn: str) -> None:
    name = sealed()
    (grant,) = grants(key_arn)
    kms.revoke_grant(KeyId=key_arn, GrantId=grant["GrantId"])
    status, code, message = refusal(lambda_.invoke, FunctionName=name)
    assert (status, code) == (502, "KMSAccessDeniedException")
    assert message.startswith("Lambda was unable to decrypt the environment variables because KMS access was denied. ")


def test_an_asynchronous_event_waits_for_the_key(
    sealed: Callable[..., str], lambda_: Any, client: Callable[..., Any], kms: Any, key_arn: str, clock: Any, role: str
) -> None:
    sqs = client("sqs")
    queue_url = sqs.create_queue(QueueName="done")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sender = make_role(client("iam"), "sender", {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"})
    name = sealed(Role=sender)
    lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": queue_arn}})
    kms.disable_key(KeyId=key_arn)
    lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    clock.advance("10m")
    assert "Messages" not in sqs.receive_message(QueueUrl=queue_url)
    kms.enable_key(KeyId=key_arn)
    clock.advance("10m")
    (message,) = sqs.receive_message(QueueUrl=queue_url)["Messages"]
    assert json.loads(message["Body"])["responsePayload"] == "secret"


def test_messages_come_back_until_the_key_can_be_used(
    sealed: Callable[..., str], lambda_: Any, client: Callable[..., Any], kms: Any, key_arn: str, clock: Any
) -> None:
    sqs = client("sqs")
    queue_url = sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    reader = make_role(client("iam"), "reader", {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    name = sealed(Role=reader)
    mapping_id = lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=queue_arn)["UUID"]
    kms.disable_key(KeyId=key_arn)
    sqs.send_message(QueueUrl=queue_url, MessageBody="one")
    clock.settle()

    def hidden() -> str:
        counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])["Attributes"]
        return str(counts["ApproximateNumberOfMessagesNotVisible"])

    assert hidden() == "1"
    problem = lambda_.get_event_source_mapping(UUID=mapping_id)["LastProcessingResult"]
    assert problem.startswith("PROBLEM: Lambda was unable to decrypt the environment variables because the KMS key used is disabled.")
    kms.enable_key(KeyId=key_arn)
    clock.advance("31s")
    assert hidden() == "0"


def test_a_durable_execution_waits_for_the_key(function: Callable[..., str], lambda_: Any, kms: Any, key_arn: str, clock: Any) -> None:
    source = "import json, os\ndef handler(e, c): return {'Status': 'SUCCEEDED', 'Result': json.dumps(os.environ['WORD'])}"
    config = {"ExecutionTimeout": 86_400, "RetentionPeriodInDays": 3}
    name = function(source, KMSKeyArn=key_arn, DurableConfig=config, Publish=True, **VARIABLES)
    kms.disable_key(KeyId=key_arn)
    started = lambda_.invoke(FunctionName=name, Qualifier="1", InvocationType="Event", Payload=b"{}")["DurableExecutionArn"]
    clock.advance("1h")
    assert lambda_.get_durable_execution(DurableExecutionArn=started)["Status"] == "RUNNING"
    kms.enable_key(KeyId=key_arn)
    clock.advance("10m")
    done = lambda_.get_durable_execution(DurableExecutionArn=started)
    assert (done["Status"], done["Result"]) == ("SUCCEEDED", '"secret"')


def test_a_snapshot_cannot_be_taken_without_the_key(sealed: Callable[..., str], lambda_: Any, kms: Any, key_arn: str, clock: Any) -> None:
    name = sealed(Runtime="python3.12", SnapStart={"ApplyOn": "PublishedVersions"})
    kms.disable_key(KeyId=key_arn)
    lambda_.publish_version(FunctionName=name)
    clock.settle()
    shown = lambda_.get_function_configuration(FunctionName=name, Qualifier="1")
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "DisabledKMSKey")


def test_a_snapshot_has_the_variables(sealed: Callable[..., str], lambda_: Any, clock: Any, answer: Any) -> None:
    name = sealed(Runtime="python3.12", SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
    clock.settle()
    assert answer(name, Qualifier="1") == "secret"


# Seeing


def test_who_may_not_decrypt_sees_no_variables(user: Callable[..., Any], sealed: Callable[..., str], lambda_: Any, key_arn: str) -> None:
    name = sealed(Publish=True)
    blind, seeing = user("lambda:*"), user("lambda:*", "kms:Decrypt")
    error = blind.get_function(FunctionName=name)["Configuration"]["Environment"]["Error"]
    assert error["ErrorCode"] == "AccessDeniedException"
    assert error["Message"].startswith(
        f"{DECRYPTING}the KMS access was denied. Please check your KMS permissions. KMS Exception: AccessDeniedException KMS Message: User: "
    )
    assert f"is not authorized to perform: kms:Decrypt on resource: {key_arn}" in error["Message"]
    answers = [
        blind.get_function_configuration(FunctionName=name),
        blind.list_functions()["Functions"][0],
        *blind.list_functions(FunctionVersion="ALL")["Functions"],
        *blind.list_versions_by_function(FunctionName=name)["Versions"],
        blind.update_function_configuration(FunctionName=name, Timeout=7),
        blind.update_function_code(FunctionName=name, ZipFile=zipped(SOURCE), DryRun=True),
        blind.update_function_code(FunctionName=name, ZipFile=zipped(SOURCE)),
        blind.publish_version(FunctionName=name),
    ]
    for one in answers:  # each has an id of its own for `ground why`
        (hidden,) = one["Environment"].values()
        assert (hidden["ErrorCode"], hidden["Message"].split(" (ground")[0]) == (error["ErrorCode"], error["Message"].split(" (ground")[0])
    assert seeing.get_function_configuration(FunctionName=name)["Environment"] == VARIABLES["Environment"]
    assert [one["Environment"] for one in seeing.list_versions_by_function(FunctionName=name)["Versions"]] == [VARIABLES["Environment"]] * 3


def test_nobody_sees_variables_under_a_key_that_is_disabled(sealed: Callable[..., str], lambda_: Any, kms: Any, key_arn: str) -> None:
    name = sealed()
    kms.disable_key(KeyId=key_arn)
    error = lambda_.get_function_configuration(FunctionName=name)["Environment"]["Error"]
    assert error["ErrorCode"] == "DisabledException"
    assert error["Message"].startswith(f"{DECRYPTING}the KMS key used is disabled. Please check your KMS key settings. KMS Exception: ")


def test_who_may_not_decrypt_takes_no_variables_to_another_key(user: Callable[..., Any], sealed: Callable[..., str]) -> None:
    name = sealed()
    _, code, message = refusal(user("lambda:*").update_function_configuration, FunctionName=name, KMSKeyArn="")
    assert (code, message.partition("the KMS")[0]) == ("InvalidParameterValueException", DECRYPTING)


# At rest


@pytest.mark.slow
def test_the_variables_rest_encrypted_and_survive_a_kill(process: Any) -> None:
    lambda_, kms = process.client("lambda"), process.client("kms")
    role = make_role(process.client("iam"), "function-role")
    key_arn = kms.create_key()["KeyMetadata"]["Arn"]
    words = {"sealed": "nightingale-under-a-key", "open": "blackbird-in-the-open"}
    for name, word in words.items():
        options = {"KMSKeyArn": key_arn} if name == "sealed" else {}
        make_function(lambda_, role, SOURCE, FunctionName=name, Environment={"Variables": {"WORD": word}}, Publish=True, **options)
        assert json.loads(lambda_.invoke(FunctionName=name)["Payload"].read()) == word
    process.kill()
    at_rest = b"".join(path.read_bytes() for path in process.data_dir.rglob("*") if path.is_file())
    assert (words["open"].encode() in at_rest, words["sealed"].encode() in at_rest) == (True, False)
    process.start()
    lambda_, kms = process.client("lambda"), process.client("kms")
    assert variables(lambda_, "sealed") == {"WORD": words["sealed"]}
    kms.disable_key(KeyId=key_arn)
    assert refusal(lambda_.invoke, FunctionName="sealed", Qualifier="1")[1] == "KMSDisabledException"
    kms.enable_key(KeyId=key_arn)
    assert json.loads(lambda_.invoke(FunctionName="sealed", Qualifier="1")["Payload"].read()) == words["sealed"]


# Templates

KEY = {
    "Type": "AWS::KMS::Key",
    "Properties": {
        "KeyPolicy": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
                    "Action": "kms:*",
                    "Resource": "*",
                }
            ],
        }
    },
}
KEY_ARN = {"Fn::GetAtt": ["Key", "Arn"]}


@pytest.mark.slow
def test_a_stack_gives_a_function_its_key_and_takes_it_again(client: Callable[..., Any], clock: Any, lambda_: Any, grants: Any) -> None:
    stack = Stack(client, clock)

    def deploy(**properties: Any) -> dict[str, str]:
        made = templated("import os\ndef handler(event, context): return os.environ['WORD']", **VARIABLES, **properties)
        return stack.deploy({"F": made, "Key": KEY}, {"Name": {"Ref": "F"}, "Key": KEY_ARN})

    said = deploy(KmsKeyArn=KEY_ARN)
    assert stack.invoke(said["Name"]) == "secret"
    assert lambda_.get_function_configuration(FunctionName=said["Name"])["KMSKeyArn"] == said["Key"]
    assert len(grants(said["Key"])) == 1
    deploy()
    assert "KMSKeyArn" not in lambda_.get_function_configuration(FunctionName=said["Name"])
    assert (stack.invoke(said["Name"]), grants(said["Key"])) == ("secret", [])
    deploy(KmsKeyArn=KEY_ARN)
    stack.delete()


def test_a_serverless_function_has_its_key(client: Callable[..., Any], clock: Any, lambda_: Any, kms: Any) -> None:
    application = Application(client, clock)
    made = serverless("one", KmsKeyArn=KEY_ARN, AutoPublishAlias="live", **VARIABLES)
    said = application.deploy({"F": made, "Key": KEY}, {"Name": {"Ref": "F"}, "Key": KEY_ARN})
    assert variables(lambda_, said["Name"], Qualifier="live") == {"WORD": "secret"}
    kms.disable_key(KeyId=said["Key"])
    assert refusal(lambda_.invoke, FunctionName=said["Name"], Qualifier="live")[1] == "KMSDisabledException"
    application.delete()
