"""Functions: create, read, update, delete."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import (
    capacity,
    code_storage,
    concurrency,
    conditions,
    configuration,
    encryption,
    errors,
    execution,
    images,
    markers,
    names,
    packages,
    publishing,
    reclaiming,
    snapshots,
    tags,
)
from groundcloud.services.lambda_.names import LATEST, NAME_LENGTH_MAX, FunctionName
from groundcloud.services.lambda_.state import (
    ALIASES,
    CLAIMS,
    FUNCTIONS,
    INVOKE_CONFIGS,
    POLICIES,
    PROVISIONED,
    RUNTIMES,
    SCALED,
    URL_IDS,
    URLS,
    USES,
    VERSIONS,
    Code,
    Function,
    Version,
)
from groundcloud.store import Transaction

ITEMS_MAX = 50
"""AWS: ListFunctions: "Note that ListFunctions returns a maximum of 50 items in each response"."""


@operation(resource=names.unqualified_arn_of, context=conditions.of_configuration)
async def create_function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = names.of(call, request)
    if name.qualifier and name.qualifier != LATEST:
        raise errors.invalid_parameter("FunctionName must not have a qualifier.")
    if len(name.name) > NAME_LENGTH_MAX:
        raise errors.validation(
            f"1 validation error detected: Value '{name.name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {NAME_LENGTH_MAX}"
        )
    name = name._replace(qualifier="", account=call.account)
    request = capacity.with_memory(request)
    configuration.check(request, managed=bool(request.get("CapacityProviderConfig")))
    kind = request.get("PackageType") or images.ZIP
    images.check(kind, request)
    if kind == images.ZIP:
        if not request.get("Runtime") or not request.get("Handler"):
            raise errors.invalid_parameter("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
        await configuration.check_runtime(call, request["Runtime"])
        snapshots.check(request["Runtime"], request)
    images.check_source(kind, request["Code"], updating=False)
    given = tags.of_new(call, request.get("Tags"), name.arn)
    if FUNCTIONS.has(call.reading(), name.name):
        raise errors.function_exists(name.name)
    configuration.check_role(call, request["Role"])
    capacity.check(call, request, None)
    publishing.check_destination(call, request, request["Role"])
    if request.get("CodeSigningConfigArn"):
        images.check_unsigned(kind)
        publishing.check_signature(call.reading(), request["CodeSigningConfigArn"])
    sealed = await encryption.changed(call, name, request, None)
    executor = execution.of_server(call)
    image = await images.found(executor.pool, request["Code"]["ImageUri"]) if kind == images.IMAGE else None
    async with packages.taken(call, request["Code"], call.operation, image) as package:
        layers = publishing.layers_of(call, request.get("Layers") or (), package.code)
        with call.transaction() as tx:
            if FUNCTIONS.has(tx, name.name):
                raise errors.function_exists(name.name)
            code_storage.check(tx, package.code)
            function = Function(
                function_name=name.name,
                created_ms=call.now_ms,
                tags=given,
                code_signing_config_arn=request.get("CodeSigningConfigArn") or "",
            )
            code = packages.name(tx, call, package)
            version = configuration.version_of(request, name, code, call.now_ms, call.token(16), call.new_id(), layers)
            version = version.replace(**sealed)
            _name_layers(tx, call, version)
            FUNCTIONS.put(tx, function)
            VERSIONS.put(tx, version)
            reclaiming.expect(tx, call, version)
            if version.runtime:
                RUNTIMES.put(tx, version.runtime)
            if request.get("Publish") or request.get("PublishTo"):
                version = publishing.publish(tx, call, function, version, version.description, request.get("PublishTo") or "")
    executor.warm(call, version.runtime)
    document = configuration.being_created(configuration.document(name, function, version))
    return await encryption.filled(call, document, [(name, version, document)])


@operation(resource=names.arn_of, context=conditions.of_function)
def get_function(call: Call, request: dict[str, Any]) -> encryption.Answer:
    name, function, version = load(call, names.of(call, request))
    document = _document(name, function, version)
    answer: dict[str, Any] = {
        "Configuration": document,
        "Code": publishing.source(call, version.code),
    }
    if function.tags and call.allowed("lambda:ListTags", name.arn, conditions.resource_tags(function.tags)):
        answer["Tags"] = function.tags
    elif function.tags:
        sentence = f"User: {call.principal.arn} is not authorized to perform: lambda:ListTags on resource: {name.arn}"
        answer["TagsError"] = {"ErrorCode": "AccessDeniedException", "Message": sentence}
    if function.reserved_concurrency is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
    return encryption.shown(call, answer, [(name, version, document)])


@operation(resource=names.arn_of, context=conditions.of_function)
def get_function_configuration(call: Call, request: dict[str, Any]) -> encryption.Answer:
    name, function, version = load(call, names.of(call, request))
    document = _document(name, function, version)
    return encryption.shown(call, document, [(name, version, document)])


def load(call: Call, name: FunctionName) -> execution.Target:
    """The version that is shown for a name: an alias shows the version it points to. Raises ResourceNotFoundException."""
    tx = call.reading().at(name.account, name.region)
    function = FUNCTIONS.get(tx, name.name)
    if function is None:
        raise errors.function_not_found(name.qualified_arn)
    number = 0
    if name.is_alias:
        alias = ALIASES.get(tx, name.name, name.qualifier)
        if alias is None:
            raise errors.alias_not_found(name.qualified_arn)
        number = alias.version
    else:
        number = names.number_of(name.qualifier)
    version = VERSIONS.get(tx, name.name, number)
    if version is None:
        raise errors.function_not_found(name.qualified_arn)
    return execution.Target(name, function, version)


def _document(name: FunctionName, function: Function, version: Version) -> dict[str, Any]:
    result = configuration.document(name, function, version)
    if name.qualifier:
        # With a qualifier AWS repeats it in the ARN, alias and $LATEST included.
        result["FunctionArn"] = name.qualified_arn
    return result


@operation()
def list_functions(call: Call, request: dict[str, Any]) -> encryption.Answer:
    if request.get("MasterRegion") and request.get("FunctionVersion") != "ALL":
        raise errors.invalid_parameter("FunctionVersion must be ALL when MasterRegion is specified.")
    if request.get("MasterRegion"):
        return {"Functions": []}  # replicas of Lambda@Edge, of which there are none
    if request.get("FunctionVersion") == "ALL":
        return _list_all_versions(call, request)
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    found: list[encryption.Shown] = []
    marker = None
    for function in FUNCTIONS.scan(call.tx, after=request.get("Marker"), limit=limit + 1):
        if len(found) == limit:
            marker = found[-1][1].function_name
            break
        version = VERSIONS.get(call.tx, function.function_name, 0)
        assert version is not None
        name = FunctionName(call.account, call.region, function.function_name)
        found.append((name, version, listed(configuration.document(name, function, version))))
    return encryption.shown(call, {"Functions": [document for _, _, document in found], "NextMarker": marker}, found)


def _list_all_versions(call: Call, request: dict[str, Any]) -> encryption.Answer:
    """Every version of every function, $LATEST with its qualifier."""
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    after: Any = markers.version(request["Marker"]) if request.get("Marker") else None
    found: list[encryption.Shown] = []
    marker = None
    last = None
    for version in VERSIONS.scan(call.tx, after=after, limit=limit + 1):
        if len(found) == limit and last is not None:
            marker = f"{last.function_name}:{last.number}"
            break
        function = FUNCTIONS.get(call.tx, version.function_name)
        assert function is not None
        name = FunctionName(call.account, call.region, version.function_name)
        found.append((name, version, listed(configuration.document(name, function, version, qualified=True))))
        last = version
    return encryption.shown(call, {"Functions": [document for _, _, document in found], "NextMarker": marker}, found)


def listed(document: dict[str, Any]) -> dict[str, Any]:
    """Lists leave out what AWS computes for one function alone."""
    for member in ("State", "LastUpdateStatus", "RuntimeVersionConfig"):
        document.pop(member, None)
    return document


@operation(resource=names.unqualified_arn_of, context=conditions.of_function)
async def update_function_code(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, function, latest = load(call, unqualified(names.of(call, request)))
    images.check_source(images.package_type(latest), request, updating=True)
    _check_revision(latest, request)
    publishing.check_signature(call.reading().at(name.account, name.region), function.code_signing_config_arn)
    executor = execution.of_server(call)
    image = await images.found(executor.pool, request["ImageUri"]) if request.get("ImageUri") else None
    async with packages.taken(call, request, call.operation, image) as package:
        publishing.check_total(package.code, latest.layers)
        if request.get("DryRun"):
            document = configuration.document(name, function, _with_code(call, request, latest, package.code))
            return await encryption.filled(call, document, [(name, latest, document)])
        with call.transaction() as tx:
            # What was read before the package came may have changed meanwhile.
            _, function, old = load(call, name)
            _check_revision(old, request)
            new = _with_code(call, request, old, package.code)
            here = tx.at(name.account, name.region)
            code_storage.check(here, package.code, old.code)
            packages.name(here, call, package)
            packages.forget(here, call, old.code, executor.pool)
            VERSIONS.put(here, new)
            reclaiming.expect(here, call, new)
            shown = new
            if request.get("Publish") or request.get("PublishTo"):
                shown = publishing.publish(here, call, function, new, new.description, request.get("PublishTo") or "")
    await executor.retire(name, old)
    document = configuration.being_updated(configuration.document(name, function, shown))
    return await encryption.filled(call, document, [(name, shown, document)])


def _with_code(call: Call, request: dict[str, Any], old: Version, code: Code) -> Version:
    return reclaiming.active(old).replace(
        code=code,
        generation=call.token(16),
        revision_id=call.new_id(),
        last_modified_ms=call.now_ms,
        architecture=(request.get("Architectures") or [old.architecture])[0],
    )


@operation(resource=names.unqualified_arn_of, context=conditions.of_configuration)
async def update_function_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, function, latest = load(call, unqualified(names.of(call, request)))
    _check_revision(latest, request)
    configuration.check(request, managed=capacity.config_of(latest) is not None)
    capacity.check(call, request, latest)
    if request.get("Layers"):
        publishing.check_signature(call.reading().at(name.account, name.region), function.code_signing_config_arn)
    images.check(images.package_type(latest), request)
    if request.get("DurableConfig") and not latest.kept.get("DurableConfig"):
        raise errors.invalid_parameter("DurableConfig can only be set when a function is created: this function is not durable.")
    if request.get("Runtime"):
        await configuration.check_runtime(call, request["Runtime"])
    snapshots.check(request.get("Runtime") or latest.runtime, {"EphemeralStorage": {"Size": latest.ephemeral_mb}, **latest.kept, **request})
    if request.get("Role"):
        configuration.check_role(call, request["Role"])
    publishing.check_destination(call, request, request.get("Role") or latest.role)
    layers = publishing.layers_of(call, request["Layers"], latest.code) if request.get("Layers") is not None else None
    sealed = await encryption.changed(call, name, request, latest)
    executor = execution.of_server(call)
    with call.transaction() as tx:
        _, function, old = load(call, name)
        _check_revision(old, request)
        if (sealed or old.sealed is not None) and old.revision_id != latest.revision_id:
            raise errors.conflict(f"The operation cannot be performed at this time. An update is in progress for resource: {name.arn}")
        new = configuration.changed(reclaiming.active(old), request, layers).replace(
            generation=call.token(16), revision_id=call.new_id(), last_modified_ms=call.now_ms, **sealed
        )
        here = tx.at(name.account, name.region)
        if layers is not None:
            _name_layers(here, call, new)
            _forget_layers(here, call, old)
        VERSIONS.put(here, new)
        reclaiming.expect(here, call, new)
        if new.runtime:
            RUNTIMES.put(here, new.runtime)
    await executor.retire(name, old)
    await encryption.forget(call, name, [old])
    document = configuration.being_updated(configuration.document(name, function, new))
    return await encryption.filled(call, document, [(name, new, document)])


def unqualified(name: FunctionName) -> FunctionName:
    if name.qualifier and name.qualifier != LATEST:
        raise errors.invalid_parameter("The operation is only supported for the $LATEST version of a function.")
    return name._replace(qualifier="")


def _check_revision(version: Version, request: dict[str, Any]) -> None:
    wanted = request.get("RevisionId")
    if wanted is not None and wanted != version.revision_id:
        raise errors.revision_changed()


def _name_layers(tx: Transaction, call: Call, version: Version) -> None:
    for layer in version.layers:
        packages.name_again(tx, call, layer.code)


def _forget_layers(tx: Transaction, call: Call, version: Version) -> None:
    pool = execution.of_server(call).pool
    for layer in version.layers:
        packages.forget(tx, call, layer.code, pool)


@operation(resource=names.arn_of, context=conditions.of_function)
async def delete_function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name = names.of(call, request)
    executor = execution.of_server(call)
    gone: list[Version] = []
    with call.transaction() as whole:
        tx = whole.at(name.account, name.region)
        if FUNCTIONS.get(tx, name.name) is None:
            raise errors.function_not_found(name.qualified_arn)
        if name.qualifier == LATEST:
            raise errors.invalid_parameter("$LATEST version cannot be deleted without deleting the function.")
        if name.is_alias:
            raise errors.invalid_parameter("Deletion of aliases is not currently supported.")
        if name.qualifier:
            gone += _delete_version(tx, call, name)
        else:
            gone += list(VERSIONS.scan(tx, name.name))
            for version in gone:
                _drop_version(tx, call, version)
            _delete_rest(tx, name)
    for version in gone:
        await executor.retire(name, version)
    await encryption.forget(call, name, gone)
    if not name.qualifier:
        concurrency.of_server(call).reservations_changed(call.ground.store.transaction(name.account, name.region))
    return {"StatusCode": 204}


def _delete_version(tx: Transaction, call: Call, name: FunctionName) -> list[Version]:
    number = names.number_of(name.qualifier)
    version = VERSIONS.get(tx, name.name, number)
    if version is None:
        return []
    using = [alias.alias_name for alias in ALIASES.scan(tx, name.name) if alias.version == number or name.qualifier in alias.weights]
    if using:
        raise errors.conflict(f"Unable to delete version because the following aliases reference it: [{', '.join(using)}]")
    _drop_version(tx, call, version)
    return [version]


def _drop_version(tx: Transaction, call: Call, version: Version) -> None:
    packages.forget(tx, call, version.code, execution.of_server(call).pool)
    _forget_layers(tx, call, version)
    VERSIONS.delete(tx, version.function_name, version.number)
    POLICIES.delete(tx, version.function_name, version.text)
    INVOKE_CONFIGS.delete(tx, version.function_name, version.text)
    PROVISIONED.delete(tx, version.function_name, version.text)
    SCALED.delete(tx, version.function_name, version.text)
    USES.delete(tx, version.function_name, version.number)
    function = FUNCTIONS.get(tx, version.function_name)
    if function is not None and any(version.text in kept for kept in (function.scaling, function.runtime_update)):
        left: dict[str, Any] = {}
        for field in ("scaling", "runtime_update", "runtime_pinned"):
            left[field] = {text: config for text, config in getattr(function, field).items() if text != version.text}
        FUNCTIONS.put(tx, function.replace(**left))


def _delete_rest(tx: Transaction, name: FunctionName) -> None:
    """Aliases, policies, URLs and the function itself. Event source mappings stay, as on AWS: they find no function any more."""
    for table in (ALIASES, POLICIES, INVOKE_CONFIGS, PROVISIONED, SCALED, CLAIMS):
        for key in list(table.keys(tx, name.name)):
            table.delete(tx, *key)
    for url in list(URLS.scan(tx, name.name)):
        URLS.delete(tx, url.function_name, url.qualifier)
        URL_IDS.delete(tx, url.url_id)
    FUNCTIONS.delete(tx, name.name)
