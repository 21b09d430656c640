"""What Lambda keeps.

lambda/functions   (function_name)                 Function: what all versions share
lambda/versions    (function_name, number)         Version: code and configuration; number 0 is $LATEST, -1 $LATEST.PUBLISHED
lambda/aliases     (function_name, alias_name)     Alias
lambda/policies    (function_name, qualifier)      Policy: the resource policy of a function, a version or an alias ("" is the function)
lambda/invoke      (function_name, qualifier)      EventInvokeConfig
lambda/events      (event_id)                      Event: an accepted asynchronous invocation; its timer is "lambda.event"
lambda/mappings    (mapping_id)                    Mapping: an event source mapping; its timer is "lambda.poll"
lambda/layers      (layer_name)                    Layer: the last version's number
lambda/layer-versions (layer_name, number)         LayerVersion
lambda/urls        (function_name, qualifier)      Url
lambda/url-ids     (url_id)                        UrlPlace, in one table for all accounts and regions: where a request's host leads
lambda/packages    (digest)                        Package, in one table for all: zip files by content, and how many names they have
lambda/runtimes    (runtime)                       index, one table for all: runtimes that functions have had
lambda/signing     (config_id)                     CodeSigningConfig
lambda/capacity    (provider_name)                 CapacityProvider
lambda/claims      (function_name, claimant)       Claim: the last version before a stack published one of its own
lambda/uses        (function_name, number)         Use: when a version that may become Inactive was last invoked, to a day
lambda/scaled      (function_name, qualifier)      Provisioned: how many environments of a version on a capacity provider are kept; its timer is "lambda.scale"
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.lambda_.names import version_text
from groundcloud.store import Blob, Record, Table


class Package(Record, kw_only=True):
    """A zip file that versions and layers use. `digest` is the blob's, in hex."""

    digest: str
    blob: Blob
    unpacked_bytes: int
    uses: int = 0


class ImageUse(Record, kw_only=True):
    """A container image: as it was named, with its digest, and as the engine of this machine knows its content."""

    image_uri: str
    resolved_uri: str
    image_id: str


class Code(Record, kw_only=True):
    """The package of one version or layer version, as its record holds it. `sha256` is in base64, as AWS shows it.

    Of an image `digest` is "", nothing of it is kept here, and `sha256` is the image's digest in hex. `key_arn` is SourceKMSKeyArn. `referenced`: bucket,
    key and version of an object that S3ObjectStorageMode REFERENCE names, of which this is a copy all the same.
    """

    digest: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    image: ImageUse | None = None
    key_arn: str = ""
    referenced: tuple[str, str, str] | None = None


class Function(Record, kw_only=True):
    """`reserved_concurrency` None: the function takes from the account's unreserved concurrency. `scaling`: version -> FunctionScalingConfig.
    `runtime_update`, `runtime_pinned`: version -> UpdateRuntimeOn, and the RuntimeVersionArn of Manual.
    """

    function_name: str
    created_ms: int
    last_version: int = 0
    tags: dict[str, str] = {}
    reserved_concurrency: int | None = None
    code_signing_config_arn: str = ""
    recursion: str = "Terminate"
    runtime_update: dict[str, str] = {}
    scaling: dict[str, dict[str, int]] = {}
    runtime_pinned: dict[str, str] = {}


class LayerUse(Record):
    arn: str
    code: Code


class Sealed(Record, kw_only=True):
    """A version's variables under a key of the function's own: JSON, encrypted by KMS. `count`: how many they are. `grant_id`: the role's grant on the key."""

    key_arn: str
    ciphertext: bytes
    count: int
    grant_id: str


class Version(Record, kw_only=True):
    """`generation` changes with every change of code or configuration: sandboxes of another generation are not used.

    `kept` holds the members of FunctionConfiguration that are shown as they were given (VpcConfig, TracingConfig, LoggingConfig, ...).
    `latest_description` is what $LATEST said when it was published as this version; None for one from before that was kept.
    `sealed` holds the variables of a function with a key of its own, whose `environment` is empty.
    `state_reason_code` is that of a state which has more than one.
    """

    function_name: str
    number: int
    role: str
    runtime: str
    handler: str
    code: Code
    generation: str
    revision_id: str
    last_modified_ms: int
    description: str = ""
    timeout_s: int = 3
    memory_mb: int = 128
    ephemeral_mb: int = 512
    architecture: str = "x86_64"
    environment: dict[str, str] = {}
    layers: tuple[LayerUse, ...] = ()
    dead_letter_arn: str = ""
    logging: dict[str, str] = {}
    kept: dict[str, Any] = {}
    state: str = "Active"
    state_reason: str = ""
    latest_description: str | None = None
    sealed: Sealed | None = None
    state_reason_code: str = ""

    @property
    def text(self) -> str:
        """`$LATEST`, `$LATEST.PUBLISHED` or the number."""
        return version_text(self.number)

    @property
    def snap_start(self) -> bool:
        """Whether its sandboxes are forked from an initialised process: those of a published version may be, $LATEST's are not."""
        return self.number > 0 and (self.kept.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions"


class Alias(Record, kw_only=True):
    """`weights`: version number -> share of the invocations that go there; the rest goes to `version`."""

    function_name: str
    alias_name: str
    version: int
    revision_id: str
    description: str = ""
    weights: dict[str, float] = {}


class Policy(Record, kw_only=True):
    """`statements`: Sid -> statement, in the order in which they were added; one of a whole document without a Sid is under "#" and its place.
    `head`: a whole document's other members.
    """

    function_name: str
    qualifier: str
    revision_id: str
    statements: dict[str, dict[str, Any]] = {}
    head: dict[str, str] = {}


class EventInvokeConfig(Record, kw_only=True):
    function_name: str
    qualifier: str
    last_modified_ms: int
    retries_max: int | None = None
    age_max_s: int | None = None
    on_success: str | None = None
    on_failure: str | None = None


class Event(Record, kw_only=True):
    """`attempts` counts the invocations that the function's code has had; `tries` also those that were throttled."""

    event_id: str
    function_name: str
    qualifier: str
    payload: bytes
    accepted_ms: int
    attempts: int = 0
    tries: int = 0
    client_context: dict[str, Any] | None = None
    source_arn: str = ""
    trace: str = ""
    tenant_id: str = ""


class Mapping(Record, kw_only=True):
    """`generation` changes with every update: a poller of another generation ends. `settings` are the request's members by AWS's names."""

    mapping_id: str
    source_arn: str
    function_name: str
    qualifier: str
    enabled: bool
    generation: str
    last_modified_ms: int
    settings: dict[str, Any] = {}
    reason: str = "USER_INITIATED"
    last_result: str = ""
    tags: dict[str, str] = {}
    fifo: bool = False


class Checkpoint(Record, kw_only=True):
    """`sequence_number` is the last one that is done with; "" where none is: then records from before `since_ms` are not wanted.
    `finished`: the shard is read to its end. `window_start_s` and `state`: the tumbling window that is open, 0 where none is.
    `lanes`: of a mapping with a ParallelizationFactor, the last record that each lane is done with beyond `sequence_number`; see `stream_lanes`.
    """

    mapping_id: str
    shard_id: str
    sequence_number: str
    finished: bool = False
    since_ms: int = 0
    window_start_s: int = 0
    state: dict[str, Any] = {}
    lanes: tuple[str, ...] = ()


class Provisioned(Record, kw_only=True):
    """`generation` changes with every change: a loop of another generation ends."""

    function_name: str
    qualifier: str
    requested: int
    last_modified_ms: int
    generation: str


class Use(Record, kw_only=True):
    function_name: str
    number: int
    used_ms: int


class Claim(Record, kw_only=True):
    function_name: str
    claimant: str
    last_version: int


class Layer(Record):
    layer_name: str
    last_version: int = 0


class LayerVersion(Record, kw_only=True):
    layer_name: str
    number: int
    code: Code
    created_ms: int
    description: str = ""
    license: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    policy: dict[str, dict[str, Any]] = {}
    policy_revision: str = ""


class Url(Record, kw_only=True):
    function_name: str
    qualifier: str
    url_id: str
    auth_type: str
    created_ms: int
    last_modified_ms: int
    invoke_mode: str = "BUFFERED"
    cors: dict[str, Any] | None = None


class UrlPlace(Record):
    url_id: str
    account: str
    region: str
    function_name: str
    qualifier: str


class CodeSigningConfig(Record, kw_only=True):
    config_id: str
    last_modified_ms: int
    description: str = ""
    publishers: tuple[str, ...] = ()
    policy: str = "Warn"
    tags: dict[str, str] = {}


class CapacityProvider(Record, kw_only=True):
    """`settings` are the request's members by AWS's names."""

    provider_name: str
    last_modified_ms: int
    settings: dict[str, Any]
    tags: dict[str, str] = {}


FUNCTIONS = Table("lambda/functions", Function, key=("function_name",))
VERSIONS = Table("lambda/versions", Version, key=("function_name", "number"))
ALIASES = Table("lambda/aliases", Alias, key=("function_name", "alias_name"))
POLICIES = Table("lambda/policies", Policy, key=("function_name", "qualifier"))
INVOKE_CONFIGS = Table("lambda/invoke", EventInvokeConfig, key=("function_name", "qualifier"))
EVENTS = Table("lambda/events", Event, key=("event_id",))
MAPPINGS = Table("lambda/mappings", Mapping, key=("mapping_id",))
CHECKPOINTS = Table("lambda/checkpoints", Checkpoint, key=("mapping_id", "shard_id"))
PROVISIONED = Table("lambda/provisioned", Provisioned, key=("function_name", "qualifier"))
SCALED = Table("lambda/scaled", Provisioned, key=("function_name", "qualifier"))
USES = Table("lambda/uses", Use, key=("function_name", "number"))
CLAIMS = Table("lambda/claims", Claim, key=("function_name", "claimant"))
LAYERS = Table("lambda/layers", Layer, key=("layer_name",))
LAYER_VERSIONS = Table("lambda/layer-versions", LayerVersion, key=("layer_name", "number"))
URLS = Table("lambda/urls", Url, key=("function_name", "qualifier"))
URL_IDS = Table("lambda/url-ids", UrlPlace, key=("url_id",), scope="global")
PACKAGES = Table("lambda/packages", Package, key=("digest",), scope="global")
RUNTIMES: Table[None] = Table("lambda/runtimes", None, key=("runtime",), scope="global")
SIGNING_CONFIGS = Table("lambda/signing", CodeSigningConfig, key=("config_id",))
PROVIDERS = Table("lambda/capacity", CapacityProvider, key=("provider_name",))
