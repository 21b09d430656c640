"""Operations of a REST service by method, path, query names and headers.

Paths are kept in a tree by segment, a literal before a label before a greedy label. Where several operations share a method and path, the fixed
part of their query (`?acl`) decides, then which of their required query names and headers are there.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from groundcloud.base.errors import AwsError
from groundcloud.wire import corrections
from groundcloud.wire import model as models
from groundcloud.wire.message import HttpRequest
from groundcloud.wire.model import Model, Operation

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")


class _Candidate(NamedTuple):
    operation: Operation
    labels: tuple[str, ...]
    static: tuple[tuple[str, str | None], ...]
    query_names: tuple[str, ...]
    header_names: tuple[str, ...]

    def fits(self, query: dict[str, list[str]], headers: dict[str, str]) -> bool:
        return (not self.query_names or all(name in query for name in self.query_names)) and (
            # A presigned URL has headers in its query.
            not self.header_names or all(name in headers or name in query for name in self.header_names)
        )


class _Leaf:
    """The operations of one method and path. `plain` have no fixed query; `static` are by the first name of theirs."""

    __slots__ = ("plain", "static")

    def __init__(self) -> None:
        self.plain: list[_Candidate] = []
        self.static: dict[str, list[_Candidate]] = {}

    def add(self, candidate: _Candidate) -> None:
        same_place = self.static.setdefault(candidate.static[0][0], []) if candidate.static else self.plain
        same_place.append(candidate)
        same_place.sort(key=lambda each: (len(each.static), len(each.query_names) + len(each.header_names)), reverse=True)

    def choose(self, query: dict[str, list[str]], headers: dict[str, str]) -> _Candidate | None:
        """The first that fits whole; else the least demanding, whose own checks then name what is missing."""
        nearest = None
        if query:
            for name in query:
                for candidate in self.static.get(name, ()):
                    if all(key in query and (value is None or query[key][0] == value) for key, value in candidate.static):
                        if candidate.fits(query, headers):
                            return self._named(candidate, self.static[name], query)
                        nearest = candidate
        if nearest is not None:
            return nearest
        for candidate in self.plain:
            if (query or not candidate.query_names) and candidate.fits(query, headers):
                return self._named(candidate, self.plain, query)
        return self.plain[-1] if self.plain else None

    def _named(self, candidate: _Candidate, same_place: list[_Candidate], query: dict[str, list[str]]) -> _Candidate:
        """The twin that `x-id` names, where two operations differ in nothing else (ListBuckets, ListDirectoryBuckets)."""
        if "x-id" in query and candidate.operation.name != query["x-id"][0]:
            for other in same_place:
                if other.operation.name == query["x-id"][0] and other[2:] == candidate[2:]:
                    return other
        return candidate


class _Node:
    __slots__ = ("greedy", "label", "leaf", "literals", "mixed")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.mixed: list[tuple[re.Pattern[str], _Node]] = []
        self.label: _Node | None = None
        self.greedy: _Node | None = None
        self.leaf: _Leaf | None = None

    def find(self, segments: list[str], at: int, labels: list[str]) -> _Leaf | None:
        if at == len(segments) or (at == len(segments) - 1 and not segments[at] and self.leaf is not None):
            return self.leaf
        segment = segments[at]
        below = self.literals.get(segment)
        if below is not None and (leaf := below.find(segments, at + 1, labels)) is not None:
            return leaf
        depth = len(labels)
        for regex, below in self.mixed:
            if (match := regex.fullmatch(segment)) is not None:
                labels.extend(match.groups())
                if (leaf := below.find(segments, at + 1, labels)) is not None:
                    return leaf
                del labels[depth:]
        if segment and self.label is not None:
            labels.append(segment)
            if (leaf := self.label.find(segments, at + 1, labels)) is not None:
                return leaf
            del labels[depth:]
        if self.greedy is not None and (rest := "/".join(segments[at:])):
            if self.greedy.literals:
                for stop in range(len(segments) - 1, at, -1):
                    if segments[stop] in self.greedy.literals:
                        labels.append("/".join(segments[at:stop]))
                        if (leaf := self.greedy.find(segments, stop, labels)) is not None:
                            return leaf
                        del labels[depth:]
            labels.append(rest)
            return self.greedy.leaf
        return None


class Router:
    def __init__(self, model: Model) -> None:
        self.protocol: str = model.metadata["protocol"]
        self._roots: dict[str, _Node] = {}
        left_out = corrections.NOT_ROUTED.get(model.service, ())
        for name in model.operation_names:
            if name not in left_out:
                self._add(model, model.operation(name))

    def match(self, request: HttpRequest) -> tuple[Operation, dict[str, str]] | None:
        """The operation and the path's labels, decoded. Raises AwsError InvalidURI for labels that are not UTF-8."""
        root = self._roots.get(request.method)
        if root is None:
            return None
        labels: list[str] = []
        leaf = root.find(request.raw_path.split("/"), 1, labels)
        if leaf is None:
            return None
        candidate = leaf.choose(request.query if request.query_string else {}, request.headers)
        if candidate is None:
            return None
        return candidate.operation, {
            name: _decoded(label) if "%" in label else label for name, label in zip(candidate.labels, labels, strict=True)
        }

    def _add(self, model: Model, operation: Operation) -> None:
        path, _, query = operation.request_uri.partition("?")
        static: list[tuple[str, str | None]] = []
        for part in filter(None, query.split("&")):
            key, _, value = part.partition("=")
            if key != "x-id":
                static.append((key, value or None))
        shape = model.shapes.get(operation.input_shape or "", {})
        required = [shape["members"][member] | {"member": member} for member in shape.get("required", ()) if member in shape["members"]]
        query_names = tuple(each.get("locationName", each["member"]) for each in required if each.get("location") == "querystring")
        header_names = tuple(each.get("locationName", each["member"]).lower() for each in required if each.get("location") == "header")
        node = self._roots.setdefault(operation.http_method, _Node())
        names: list[str] = []
        for segment in path.strip("/").split("/") if path.strip("/") else []:
            found = _LABEL.findall(segment)
            names.extend(name for name, _ in found)
            node = _below(node, segment, found)
        if node.leaf is None:
            node.leaf = _Leaf()
        node.leaf.add(_Candidate(operation, tuple(names), tuple(static), query_names, header_names))


@cache
def router(service: str) -> Router:
    return Router(models.load(service))


def _below(node: _Node, segment: str, labels: list[tuple[str, str]]) -> _Node:
    if not labels:
        return node.literals.setdefault(segment, _Node())
    name, greedy = labels[0]
    if segment == f"{{{name}{greedy}}}":
        if greedy:
            node.greedy = node.greedy or _Node()
            return node.greedy
        node.label = node.label or _Node()
        return node.label
    regex = re.compile("(.+)".join(re.escape(part) for part in _LABEL.split(segment)[::3]))
    for known, below in node.mixed:
        if known == regex:
            return below
    node.mixed.append((regex, _Node()))
    return node.mixed[-1][1]


_MALFORMED = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _decoded(label: str) -> str:
    try:
        if _MALFORMED.search(label):
            raise AwsError("InvalidURI", "Couldn't parse the specified URI.", status=400)
        return unquote_to_bytes(label).decode()
    except UnicodeDecodeError:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.", status=400) from None
