"""OIDC and SAML identity providers, which web identity and SAML federation trust."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from groundcloud.base import ids
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import errors, limits, tags
from groundcloud.services.iam.state import OIDC_PROVIDERS, SAML_PROVIDERS, OidcProvider, SamlProvider

_OIDC = "oidc-provider/"
_SAML = "saml-provider/"
_SAML_VALID_S = 100 * 365 * 86_400


def _oidc_of_request(call: Call, request: dict[str, Any]) -> str:
    return str(request["OpenIDConnectProviderArn"])


def _saml_of_request(call: Call, request: dict[str, Any]) -> str:
    return str(request["SAMLProviderArn"])


def _new_oidc(call: Call, request: dict[str, Any]) -> str:
    return _oidc_arn(call, request["Url"].partition("://")[2].rstrip("/"))


@operation(resource=_new_oidc)
def create_open_id_connect_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Differs from AWS: an issuer on this machine may speak plain HTTP."""
    scheme, _, url = request["Url"].partition("://")
    url = url.rstrip("/")
    try:
        host = urlsplit(f"//{url}").hostname or ""
    except ValueError:
        host = ""
    if scheme != "https" and not (scheme == "http" and is_local(host)):
        raise errors.validation("Invalid Open ID Connect Provider URL")
    if not host or "?" in url or "#" in url:
        raise errors.validation("Invalid Open ID Connect Provider URL")
    if OIDC_PROVIDERS.has(call.tx, url):
        raise errors.already_exists(f"Provider with url {request['Url']} already exists.")
    if sum(1 for _ in OIDC_PROVIDERS.keys(call.tx)) >= limits.OIDC_PROVIDERS_PER_ACCOUNT:
        raise errors.quota_exceeded("OpenIdConnectProvidersPerAccount", limits.OIDC_PROVIDERS_PER_ACCOUNT)
    provider = OidcProvider(
        url=url,
        arn=_oidc_arn(call, url),
        created_s=call.now_s,
        client_ids=_client_ids(request.get("ClientIDList") or []),
        thumbprints=_thumbprints(request.get("ThumbprintList") or []),
        tags=tags.of_request(request),
        scheme=scheme,
    )
    OIDC_PROVIDERS.put(call.tx, provider)
    return {"OpenIDConnectProviderArn": provider.arn, "Tags": tags.shown(provider.tags)}


@operation(resource=_oidc_of_request)
def get_open_id_connect_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """`Url` has no scheme, as on AWS; that of plain HTTP issuers keeps it."""
    provider = _load_oidc(call, request)
    return {
        "Url": provider.url if provider.scheme == "https" else f"{provider.scheme}://{provider.url}",
        "ClientIDList": list(provider.client_ids),
        "ThumbprintList": list(provider.thumbprints),
        "CreateDate": provider.created_s,
        "Tags": tags.shown(provider.tags),
    }


@operation()
def list_open_id_connect_providers(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"OpenIDConnectProviderList": [{"Arn": provider.arn} for provider in OIDC_PROVIDERS.scan(call.tx)]}


@operation(resource=_oidc_of_request)
def delete_open_id_connect_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Succeeds if there is none."""
    OIDC_PROVIDERS.delete(call.tx, request["OpenIDConnectProviderArn"].partition(_OIDC)[2])
    return {}


@operation(resource=_oidc_of_request)
def add_client_id_to_open_id_connect_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load_oidc(call, request)
    if request["ClientID"] not in provider.client_ids:
        OIDC_PROVIDERS.put(call.tx, provider.replace(client_ids=_client_ids([*provider.client_ids, request["ClientID"]])))
    return {}


@operation(resource=_oidc_of_request)
def remove_client_id_from_open_id_connect_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load_oidc(call, request)
    left = tuple(client_id for client_id in provider.client_ids if client_id != request["ClientID"])
    OIDC_PROVIDERS.put(call.tx, provider.replace(client_ids=left))
    return {}


@operation(resource=_oidc_of_request)
def update_open_id_connect_provider_thumbprint(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    OIDC_PROVIDERS.put(call.tx, _load_oidc(call, request).replace(thumbprints=_thumbprints(request["ThumbprintList"])))
    return {}


@operation(resource=_oidc_of_request)
def tag_open_id_connect_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load_oidc(call, request)
    OIDC_PROVIDERS.put(call.tx, provider.replace(tags=tags.merged(provider.tags, request["Tags"])))
    return {}


@operation(resource=_oidc_of_request)
def untag_open_id_connect_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load_oidc(call, request)
    OIDC_PROVIDERS.put(call.tx, provider.replace(tags=tags.without(provider.tags, request["TagKeys"])))
    return {}


@operation(resource=_oidc_of_request)
def list_open_id_connect_provider_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return tags.listed(request, _load_oidc(call, request).tags)


@operation(resource=lambda call, request: _saml_arn(call, request["Name"]))
def create_saml_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _refuse_encryption(request)
    name = request["Name"]
    if SAML_PROVIDERS.has(call.tx, name):
        raise errors.already_exists(f"SAMLProvider with name {name} already exists.")
    if sum(1 for _ in SAML_PROVIDERS.keys(call.tx)) >= limits.SAML_PROVIDERS_PER_ACCOUNT:
        raise errors.quota_exceeded("SAMLProvidersPerAccount", limits.SAML_PROVIDERS_PER_ACCOUNT)
    _check_metadata(request["SAMLMetadataDocument"])
    provider = SamlProvider(
        name=name,
        arn=_saml_arn(call, name),
        created_s=call.now_s,
        unique_id=ids.unique_id(call.random, "ASPA", 21),
        metadata=request["SAMLMetadataDocument"],
        tags=tags.of_request(request),
        valid_until_s=call.now_s + _SAML_VALID_S,
    )
    SAML_PROVIDERS.put(call.tx, provider)
    return {"SAMLProviderArn": provider.arn, "Tags": tags.shown(provider.tags)}


@operation(resource=_saml_of_request)
def get_saml_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load_saml(call, request)
    return {
        "SAMLProviderUUID": provider.unique_id,
        "SAMLMetadataDocument": provider.metadata,
        "CreateDate": provider.created_s,
        "ValidUntil": provider.valid_until_s,
        "Tags": tags.shown(provider.tags),
    }


@operation()
def list_saml_providers(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {
        "SAMLProviderList": [
            {"Arn": provider.arn, "CreateDate": provider.created_s, "ValidUntil": provider.valid_until_s}
            for provider in SAML_PROVIDERS.scan(call.tx)
        ]
    }


@operation(resource=_saml_of_request)
def update_saml_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _refuse_encryption(request)
    provider = _load_saml(call, request)
    if "SAMLMetadataDocument" in request:
        _check_metadata(request["SAMLMetadataDocument"])
        SAML_PROVIDERS.put(call.tx, provider.replace(metadata=request["SAMLMetadataDocument"]))
    return {"SAMLProviderArn": provider.arn}


@operation(resource=_saml_of_request)
def delete_saml_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    SAML_PROVIDERS.delete(call.tx, _load_saml(call, request).name)
    return {}


@operation(resource=_saml_of_request)
def tag_saml_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load_saml(call, request)
    SAML_PROVIDERS.put(call.tx, provider.replace(tags=tags.merged(provider.tags, request["Tags"])))
    return {}


@operation(resource=_saml_of_request)
def untag_saml_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load_saml(call, request)
    SAML_PROVIDERS.put(call.tx, provider.replace(tags=tags.without(provider.tags, request["TagKeys"])))
    return {}


@operation(resource=_saml_of_request)
def list_saml_provider_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return tags.listed(request, _load_saml(call, request).tags)


def is_local(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")


def _oidc_arn(call: Call, url: str) -> str:
    return f"arn:aws:iam::{call.account}:{_OIDC}{url}"


def _saml_arn(call: Call, name: str) -> str:
    return f"arn:aws:iam::{call.account}:{_SAML}{name}"


def _load_oidc(call: Call, request: dict[str, Any]) -> OidcProvider:
    """Raises NoSuchEntity."""
    arn = request["OpenIDConnectProviderArn"]
    provider = OIDC_PROVIDERS.get(call.tx, arn.partition(_OIDC)[2])
    if provider is None or provider.arn != arn:
        raise errors.oidc_provider_not_found(arn)
    return provider


def _load_saml(call: Call, request: dict[str, Any]) -> SamlProvider:
    """Raises NoSuchEntity."""
    arn = request["SAMLProviderArn"]
    provider = SAML_PROVIDERS.get(call.tx, arn.rpartition("/")[2])
    if provider is None or provider.arn != arn:
        raise errors.saml_provider_not_found(arn)
    return provider


def _client_ids(given: list[str]) -> tuple[str, ...]:
    if len(given) > limits.CLIENT_IDS_PER_OIDC_PROVIDER:
        raise errors.quota_exceeded("ClientIdsPerOpenIdConnectProvider", limits.CLIENT_IDS_PER_OIDC_PROVIDER)
    return tuple(dict.fromkeys(given))


def _thumbprints(given: list[str]) -> tuple[str, ...]:
    if len(given) > limits.THUMBPRINTS_PER_OIDC_PROVIDER:
        raise errors.invalid_input("Thumbprint list must contain fewer than 5 entries.")
    return tuple(thumbprint.lower() for thumbprint in given)


def _check_metadata(document: str) -> None:
    """Raises InvalidInput unless it looks like SAML metadata; nothing else reads it here."""
    if "EntityDescriptor" not in document:
        raise errors.invalid_input("Could not parse metadata")


def _refuse_encryption(request: dict[str, Any]) -> None:
    if "AssertionEncryptionMode" in request or "AddPrivateKey" in request:
        raise AwsError("NotImplementedException", "Groundcloud does not implement encrypted SAML assertions yet.", status=501)
