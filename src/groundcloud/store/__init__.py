"""State: an ordered, transactional key-value store with tuple keys, and blobs for large bodies.

Rooms use `Record`, `Table` and the transaction that the kernel hands them; `Store` and the engines are the kernel's.
"""

from groundcloud.store.blobs import Blob, Blobs, Content
from groundcloud.store.engines import DiskFull
from groundcloud.store.table import Record, Table, Watch
from groundcloud.store.transaction import Store, Transaction

__all__ = ["Blob", "Blobs", "Content", "DiskFull", "Record", "Store", "Table", "Transaction", "Watch"]
