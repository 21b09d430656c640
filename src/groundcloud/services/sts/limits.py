"""STS's limits. Sources: API_AssumeRole, API_GetSessionToken, API_GetFederationToken; IAM User Guide, "IAM and AWS STS quotas"."""

SESSION_DURATION_S = 3600
"""AssumeRole and its kin, where the caller asks for none."""
CHAINED_DURATION_S_MAX = 3600
TOKEN_DURATION_S = 43_200
"""GetSessionToken and GetFederationToken, where the caller asks for none."""
ROOT_DURATION_S_MAX = 3600

SESSION_POLICY_ARNS_MAX = 10
SESSION_POLICY_CHARACTERS_MAX = 2048
SESSION_TAG_KEY_CHARACTERS_MAX = 128
SESSION_TAG_VALUE_CHARACTERS_MAX = 256
PACKED_BYTES_MAX = 4096
"""Ours, with zlib as the packing: AWS publishes neither."""
TOKEN_BYTES_MAX = 4096
"""Of which SessionTokenUtilization is a percentage. Ours may be longer: they hold the documents of managed session policies."""
TOKEN_HEADER_BYTES_MAX = 32 * 1024
"""A token must fit into the headers of a request."""

KEY_SET_BYTES_MAX = 256 * 1024
KEY_SET_TIMEOUT_S = 5
KEY_SET_AGE_S_MAX = 300
KEY_SETS_CACHED_MAX = 256
TOKEN_CLOCK_SKEW_S = 300
"""How far ahead of our clock a token's `nbf` may be."""
