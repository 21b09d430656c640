"""What the packages of an account's versions and layers take in a region, as AWS counts it: each one whole, whatever it shares with others."""

from __future__ import annotations

from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.state import LAYER_VERSIONS, VERSIONS, Code
from groundcloud.store import Transaction

CODE_STORAGE_BYTES_MAX = 80_530_636_800
"""AWS: Lambda quotas, "Storage for uploaded functions (.zip file archives) and layers: 75 GB"."""


def used_bytes(tx: Transaction) -> int:
    return sum(_size(version.code) for table in (VERSIONS, LAYER_VERSIONS) for version in table.scan(tx))


def check(tx: Transaction, code: Code, instead_of: Code | None = None) -> None:
    """Whether there is room for another package. Raises CodeStorageExceededException."""
    more_bytes = _size(code) - (_size(instead_of) if instead_of is not None else 0)
    if more_bytes > 0 and used_bytes(tx) + more_bytes > CODE_STORAGE_BYTES_MAX:
        raise errors.code_storage_exceeded()


def _size(code: Code) -> int:
    """Images rest elsewhere."""
    return code.size_bytes if code.digest else 0
