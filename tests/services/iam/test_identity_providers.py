from __future__ import annotations

SAML = '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="x">' + " " * 1000 + "</EntityDescriptor>"


def test_an_oidc_provider(iam, account, fails):
    made = iam.create_open_id_connect_provider(
        Url="https://token.example.com/tenant", ClientIDList=["a", "b"], ThumbprintList=["A" * 40], Tags=[{"Key": "k", "Value": "v"}]
    )
    arn = made["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{account}:oidc-provider/token.example.com/tenant"
    with fails("EntityAlreadyExists", "Provider with url https://token.example.com/tenant already exists.", 409):
        iam.create_open_id_connect_provider(Url="https://token.example.com/tenant")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="c")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="a")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40])
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"]) == ("token.example.com/tenant", ["b", "c"], ["b" * 40])
    assert iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    with fails("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404):
        iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_an_oidc_provider_is_https_or_on_this_machine(iam, fails):
    with fails("ValidationError", "Invalid Open ID Connect Provider URL", 400):
        iam.create_open_id_connect_provider(Url="http://token.example.com")
    arn = iam.create_open_id_connect_provider(Url="http://localhost:9999/x")["OpenIDConnectProviderArn"]
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["Url"] == "http://localhost:9999/x"


def test_a_saml_provider(iam, account, fails):
    arn = iam.create_saml_provider(Name="corp", SAMLMetadataDocument=SAML)["SAMLProviderArn"]
    assert arn == f"arn:aws:iam::{account}:saml-provider/corp"
    assert iam.get_saml_provider(SAMLProviderArn=arn)["SAMLMetadataDocument"] == SAML
    assert [each["Arn"] for each in iam.list_saml_providers()["SAMLProviderList"]] == [arn]
    assert iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=SAML + " ")["SAMLProviderArn"] == arn
    iam.tag_saml_provider(SAMLProviderArn=arn, Tags=[{"Key": "k", "Value": "v"}])
    assert iam.list_saml_provider_tags(SAMLProviderArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    iam.delete_saml_provider(SAMLProviderArn=arn)
    with fails("NoSuchEntity", f"Manifest not found for arn {arn}"):
        iam.get_saml_provider(SAMLProviderArn=arn)
    with fails("InvalidInput", "Could not parse metadata"):
        iam.create_saml_provider(Name="corp", SAMLMetadataDocument="x" * 1000)
