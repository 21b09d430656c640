"""Platform applications, endpoints, text messages, the sandbox: kept, and readable."""

import json

import pytest
from botocore.exceptions import ClientError

KEY = {"PlatformCredential": "key"}


@pytest.fixture
def application(sns):
    return sns.create_platform_application(Name="app", Platform="GCM", Attributes=KEY)["PlatformApplicationArn"]


def test_an_application_is_made_changed_listed_and_removed(sns, application, account):
    assert application == f"arn:aws:sns:us-east-1:{account}:app/GCM/app"
    assert sns.create_platform_application(Name="app", Platform="GCM", Attributes=KEY)["PlatformApplicationArn"] == application
    with pytest.raises(ClientError, match="already exists with different attributes"):
        sns.create_platform_application(Name="app", Platform="GCM", Attributes={"PlatformCredential": "other"})
    with pytest.raises(ClientError, match="Platform Reason: PIGEON is not supported"):
        sns.create_platform_application(Name="app", Platform="PIGEON", Attributes=KEY)
    with pytest.raises(ClientError, match="Attributes Reason: Invalid attribute name: Colour"):
        sns.set_platform_application_attributes(PlatformApplicationArn=application, Attributes={"Colour": "red"})
    sns.set_platform_application_attributes(PlatformApplicationArn=application, Attributes={"SuccessFeedbackSampleRate": "5"})
    found = sns.get_platform_application_attributes(PlatformApplicationArn=application)["Attributes"]
    assert found == {"Enabled": "true", "SuccessFeedbackSampleRate": "5", "AuthenticationMethod": "Key"}
    assert [each["PlatformApplicationArn"] for each in sns.list_platform_applications()["PlatformApplications"]] == [application]
    sns.delete_platform_application(PlatformApplicationArn=application)
    with pytest.raises(sns.exceptions.NotFoundException, match="PlatformApplication does not exist"):
        sns.get_platform_application_attributes(PlatformApplicationArn=application)
    with pytest.raises(ClientError, match="Wrong number of slashes in relative portion of the ARN"):
        sns.get_platform_application_attributes(PlatformApplicationArn=f"arn:aws:sns:us-east-1:{account}:app/GCM")


def test_an_endpoint_is_made_once_for_a_token(sns, application):
    made = sns.create_platform_endpoint(PlatformApplicationArn=application, Token="t1", CustomUserData="me")["EndpointArn"]
    again = sns.create_platform_endpoint(PlatformApplicationArn=application, Token="t1", CustomUserData="me")["EndpointArn"]
    assert made == again
    with pytest.raises(ClientError, match="already exists with the same Token, but different attributes"):
        sns.create_platform_endpoint(PlatformApplicationArn=application, Token="t1", CustomUserData="you")
    sns.set_endpoint_attributes(EndpointArn=made, Attributes={"Token": "t2", "Enabled": "false"})
    assert sns.get_endpoint_attributes(EndpointArn=made)["Attributes"] == {"Enabled": "false", "Token": "t2", "CustomUserData": "me"}
    with pytest.raises(ClientError, match="Endpoint is disabled"):
        sns.publish(TargetArn=made, Message="x")
    listed = sns.list_endpoints_by_platform_application(PlatformApplicationArn=application)["Endpoints"]
    assert [each["EndpointArn"] for each in listed] == [made]
    sns.delete_endpoint(EndpointArn=made)
    with pytest.raises(sns.exceptions.NotFoundException, match="Endpoint does not exist"):
        sns.get_endpoint_attributes(EndpointArn=made)
    with pytest.raises(ClientError, match="No endpoint found for the target arn specified"):
        sns.publish(TargetArn=made, Message="x")


def test_push_notifications_are_kept_to_be_read(sns, application, ground, account):
    endpoint = sns.create_platform_endpoint(PlatformApplicationArn=application, Token="t1")["EndpointArn"]
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=endpoint)
    message = json.dumps({"default": "d", "GCM": '{"data": 1}'})
    sns.publish(TargetArn=endpoint, Message=message, MessageStructure="json")
    sns.publish(TopicArn=topic, Message=message, MessageStructure="json")
    found = ground.admin("GET", f"/_aws/sns/platform-endpoint-messages?accountId={account}")["platform_endpoint_messages"]
    assert [each["Message"] for each in found[endpoint]] == ['{"data": 1}'] * 2
    assert [each["TopicArn"] for each in found[endpoint]] == [None, topic]


def test_text_messages_are_kept_to_be_read(sns, ground, account):
    sns.publish(PhoneNumber="+15551234567", Message="hi")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15551234567")
    sns.publish(TopicArn=topic, Message="to all")
    found = ground.admin("GET", f"/_ground/sns/messages?accountId={account}&protocol=sms")["messages"]
    assert [(each["endpoint"], each["message"]) for each in found] == [("+15551234567", "hi"), ("+15551234567", "to all")]
    assert "sms_messages" in ground.admin("GET", f"/_aws/sns/sms-messages?accountId={account}")
    ground.admin("DELETE", f"/_ground/sns/messages?accountId={account}")
    assert ground.admin("GET", f"/_ground/sns/messages?accountId={account}")["messages"] == []


def test_settings_of_text_messages_are_kept(sns):
    sns.set_sms_attributes(attributes={"DefaultSMSType": "Transactional", "DefaultSenderID": "Ground"})
    found = sns.get_sms_attributes()["attributes"]
    assert found == {"MonthlySpendLimit": "1", "DefaultSMSType": "Transactional", "DefaultSenderID": "Ground"}
    assert sns.get_sms_attributes(attributes=["DefaultSMSType"])["attributes"] == {"DefaultSMSType": "Transactional"}
    with pytest.raises(ClientError, match="DefaultSMSType is invalid"):
        sns.set_sms_attributes(attributes={"DefaultSMSType": "Loud"})
    assert sns.check_if_phone_number_is_opted_out(phoneNumber="+15551234567")["isOptedOut"] is False
    assert sns.list_phone_numbers_opted_out()["phoneNumbers"] == []
    sns.opt_in_phone_number(phoneNumber="+15551234567")
    assert sns.list_origination_numbers()["PhoneNumbers"] == []


def test_a_number_enters_the_sandbox_with_the_password_that_it_is_sent(sns, ground, account):
    assert sns.get_sms_sandbox_account_status()["IsInSandbox"] is False
    sns.create_sms_sandbox_phone_number(PhoneNumber="+15551234567")
    text = ground.admin("GET", f"/_ground/sns/messages?accountId={account}")["messages"][0]["message"]
    password = text.rsplit(" ", 1)[1]
    wrong = "000000" if password != "000000" else "111111"
    with pytest.raises(sns.exceptions.VerificationException):
        sns.verify_sms_sandbox_phone_number(PhoneNumber="+15551234567", OneTimePassword=wrong)
    sns.verify_sms_sandbox_phone_number(PhoneNumber="+15551234567", OneTimePassword=password)
    assert sns.list_sms_sandbox_phone_numbers()["PhoneNumbers"] == [{"PhoneNumber": "+15551234567", "Status": "Verified"}]
    sns.delete_sms_sandbox_phone_number(PhoneNumber="+15551234567")
    with pytest.raises(sns.exceptions.ResourceNotFoundException):
        sns.delete_sms_sandbox_phone_number(PhoneNumber="+15551234567")
