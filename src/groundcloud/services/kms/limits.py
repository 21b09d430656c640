"""Quotas of AWS KMS. Source: AWS KMS Developer Guide, "Quotas", and the API reference of each operation."""

POLICY_BYTES_MAX = 32_768
"""Key policy document size."""

KEYS_MAX = 100_000
"""Customer managed keys of an account in a region, all states."""

ALIASES_PER_KEY_MAX = 50
GRANTS_PER_KEY_MAX = 50_000
TAGS_MAX = 50

PENDING_WINDOW_DAYS = (7, 30)
PENDING_WINDOW_DAYS_DEFAULT = 30

ROTATION_DAYS_DEFAULT = 365
ROTATIONS_ON_DEMAND_MAX = 25

IMPORT_PARAMETERS_MS = 24 * 3_600_000
"""How long an import token can be used."""

DAY_MS = 86_400_000

CIPHERS_CACHED = 4096
"""Opened keys that are held ready; beyond, the least recently used is opened again."""
