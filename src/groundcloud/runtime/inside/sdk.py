"""Makes the first client of AWS's SDK in a sandbox as quick as the second.

A client's cost is in reading models, scanning directories and registering 140 handlers of events; botocore remembers what it found per
session. The zygote does it once, and what sessions made later in a sandbox look up begins with what the zygote's found: 33 ms become 9.
Names of botocore's that are missing in some version are left alone: the first client is slower then.
"""

from __future__ import annotations

import types
from typing import Any

# The services that functions call most; each model costs one to four megabytes, shared by all sandboxes.
_SERVICES = ("dynamodb", "s3", "sqs", "sns")


def warm() -> None:
    """Fills the caches and makes later sessions share them; does nothing where there is no botocore."""
    try:
        import boto3
        import botocore.hooks
        import botocore.session
    except ImportError:
        return
    try:
        _share_signatures(botocore.hooks)
        aliases = _share_aliases(botocore.hooks)
        models = _share_models(botocore.session)
    except AttributeError:
        return
    session: Any = boto3.session.Session("none", "none", region_name="us-east-1")
    # A plain address: with https the first client would read the certificates, which belong to the function's process.
    for service in _SERVICES:
        session.client(service, endpoint_url="http://127.0.0.1:9")
    session.resource("dynamodb", endpoint_url="http://127.0.0.1:9")
    models.update(getattr(session._loader, "_cache", {}))
    aliases.update(getattr(session._session._events, "_alias_name_cache", {}))


def _share_models(module: Any) -> dict[Any, Any]:
    """What a loader reads from its files."""
    known: dict[Any, Any] = {}
    create = module.create_loader

    def create_loader(search_path_string: str | None = None) -> Any:
        loader = create(search_path_string)
        if search_path_string is None:  # a function's own models may be others
            loader._cache.update(known)
        return loader

    module.create_loader = create_loader
    return known


def _share_aliases(module: Any) -> dict[Any, Any]:
    """Old names of events to new ones."""
    known: dict[Any, Any] = {}
    begin = module.EventAliaser.__init__

    def __init__(self: Any, event_emitter: Any, event_aliases: Any = None) -> None:
        begin(self, event_emitter, event_aliases)
        if event_aliases is None:
            self._alias_name_cache.update(known)

    module.EventAliaser.__init__ = __init__
    return known


def _share_signatures(module: Any) -> None:
    """Whether a function takes keyword arguments; only of functions of modules, which live as long as the process."""
    known: dict[Any, Any] = {}
    look = module.accepts_kwargs

    def accepts_kwargs(function: Any) -> Any:
        if type(function) is not types.FunctionType or function.__closure__ or "<" in function.__qualname__:
            return look(function)
        if function not in known:
            known[function] = look(function)
        return known[function]

    module.accepts_kwargs = accepts_kwargs
