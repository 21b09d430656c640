"""Tells versions of botocore before 1.31, which a package may bring and which know no AWS_ENDPOINT_URL, the platform's address.

Without it their calls would leave for AWS. What a function gives a client itself wins.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

_KNOWS_FROM = (1, 31)


class Watch(importlib.abc.MetaPathFinder):
    """Waits for the import of the package's botocore.session."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "botocore.session":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                execute(module)
                _tell(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _tell(session: types.ModuleType) -> None:
    version = str(getattr(sys.modules.get("botocore"), "__version__", ""))
    try:
        if tuple(map(int, version.split(".")[:2])) >= _KNOWS_FROM:
            return
    except ValueError:
        return
    create = session.Session.create_client

    def create_client(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The sixth argument is the endpoint.
        if len(args) < 6 and kwargs.get("endpoint_url") is None:
            kwargs["endpoint_url"] = os.environ.get("AWS_ENDPOINT_URL")
        return create(self, *args, **kwargs)

    session.Session.create_client = create_client
