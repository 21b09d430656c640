"""OpenID Connect tokens: read, and verified with the keys of their issuer.

An issuer must be a provider registered in IAM. Its keys are fetched over HTTP from this machine alone: from a local issuer, or, for an issuer that is
a service of this cloud (a Cognito user pool), from the server itself. No other host is ever asked.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from groundcloud.kernel.call import Call
from groundcloud.services.sts import errors, limits

ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
"""AWS: "Create an OpenID Connect identity provider in IAM"."""

_NOT_A_TOKEN = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
_OWN_ISSUER = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com(/[\w-]+)").fullmatch


class Unverified(NamedTuple):
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def issuer(self) -> str:
        return str(self.claims.get("iss", ""))


class KeySets:
    """The key sets of issuers, for a while: a cache."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Any]] = {}

    def get(self, issuer: str, key_id: str | None, now_s: int) -> Any | None:
        """None if there is none, if it is old, or if it does not have the key that a token names: issuers change their keys."""
        found = self._kept.get(issuer)
        if found is None or now_s - found[0] >= limits.KEY_SET_AGE_S_MAX:
            return None
        return found[1] if key_id is None or any(key.kid == key_id for key in found[1].keys) else None

    def keep(self, issuer: str, key_set: Any, now_s: int) -> None:
        if len(self._kept) >= limits.KEY_SETS_CACHED_MAX:
            self._kept.clear()
        self._kept[issuer] = (now_s, key_set)


def read(token: str) -> Unverified:
    """What the token says of itself. Raises InvalidIdentityToken."""
    parts = token.split(".")
    try:
        header, claims = (json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)), parse_constant=_refuse) for part in parts[:2])
    except (ValueError, RecursionError):
        raise errors.invalid_identity_token(_NOT_A_TOKEN) from None
    if len(parts) != 3 or not isinstance(header, dict) or not isinstance(claims, dict) or not isinstance(claims.get("iss"), str):
        raise errors.invalid_identity_token(_NOT_A_TOKEN)
    if header.get("alg") not in ALGORITHMS or "crit" in header or not isinstance(header.get("kid", ""), str):
        raise errors.invalid_identity_token(_NOT_A_TOKEN)
    if not isinstance(claims.get("sub"), str) or not isinstance(claims.get("exp"), (int, float)):
        raise errors.invalid_identity_token("Missing a required claim: sub, exp")
    return Unverified(header, claims)


def _refuse(constant: str) -> float:
    """NaN and Infinity are no JSON, and no time either."""
    raise ValueError(constant)


async def verify(call: Call, token: str, unverified: Unverified, provider_url: str, client_ids: list[str]) -> str:
    """The audience, once signature, time and audience are right. Raises InvalidIdentityToken, ExpiredToken, IDPCommunicationError."""
    claims = unverified.claims
    if claims["exp"] <= call.now_s:
        raise errors.expired_token(
            f"Token expired: current date/time {call.now_s} must be before the expiration date/time {int(claims['exp'])}"
        )
    if isinstance(claims.get("nbf"), (int, float)) and claims["nbf"] > call.now_s + limits.TOKEN_CLOCK_SKEW_S:
        raise errors.invalid_identity_token("Token is not valid yet")
    key_sets = call.own("key-sets", KeySets)
    issuer = unverified.issuer
    key_set = key_sets.get(issuer, unverified.header.get("kid"), call.now_s)
    if key_set is None:
        key_set = await call.in_thread(_fetch, _base(call, issuer, provider_url))
        key_sets.keep(issuer, key_set, call.now_s)
    if not _verified(token, key_set):
        raise errors.invalid_identity_token("Couldn't retrieve verification key from your identity provider, or the signature is wrong")
    written = claims.get("aud", claims.get("client_id"))
    audiences = [written] if isinstance(written, str) else written if isinstance(written, list) else []
    authorized = claims.get("azp")
    for audience in [authorized, *audiences] if isinstance(authorized, str) else audiences:
        if audience in client_ids:
            return str(audience)
    raise errors.invalid_identity_token("Incorrect token audience")


def _verified(token: str, key_set: Any) -> bool:
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        jws.deserialize_compact(token, key_set, algorithms=ALGORITHMS)
    except (JoseError, ValueError):
        return False
    return True


def _base(call: Call, issuer: str, provider_url: str) -> str:
    """Where the issuer's documents are. Raises IDPCommunicationError for one that is not on this machine."""
    own = _OWN_ISSUER(issuer)
    if own is not None:
        return f"{call.settings.endpoint}{own[1]}"
    if not is_local(provider_url):
        raise errors.provider_unreachable(
            f"Groundcloud asks identity providers on this machine alone for their keys, and {issuer} is not on it."
        )
    return provider_url.rstrip("/")


def is_local(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme in ("http", "https") and (host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost"))


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


_OPENER = build_opener(_NoRedirects)


def _fetch(base: str) -> Any:
    """The key set of the issuer at `base`; keys of kinds that sign no tokens here are left out. Runs in a thread. Raises IDPCommunicationError."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, KeySet, RSAKey

    try:
        place = _document(f"{base}/.well-known/openid-configuration").get("jwks_uri")
        if not isinstance(place, str) or not is_local(place):
            place = f"{base}/.well-known/jwks.json"
        written = _document(place).get("keys")
    except (URLError, HTTPException, OSError, ValueError) as fault:
        raise errors.provider_unreachable(f"Couldn't retrieve verification key from your identity provider: {fault}") from None
    kinds: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey}
    keys: list[Any] = []
    for each in written if isinstance(written, list) else ():
        kind: Any = kinds.get(str(each.get("kty"))) if isinstance(each, dict) else None
        try:
            if kind is not None:
                keys.append(kind.import_key(each))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    if not keys:
        raise errors.provider_unreachable("Couldn't retrieve verification key from your identity provider: it has none of a known kind")
    return KeySet(keys)


def _document(url: str) -> dict[str, Any]:
    request = Request(url, headers={"Accept": "application/json"})
    with _OPENER.open(request, timeout=limits.KEY_SET_TIMEOUT_S) as answer:
        found = json.loads(answer.read(limits.KEY_SET_BYTES_MAX))
    if not isinstance(found, dict):
        raise ValueError(f"{url} is no object")
    return found
