"""A18, the positive chat, as far as the rooms carry it: three tables, a stream, functions, a static site. WebSocket APIs, Comprehend and Translate come later."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.systems.stacks import EXAMPLES, Stack, environment, request

pytestmark = pytest.mark.slow

CHAT = EXAMPLES / "positive-chat"
TEXTS = {"positive": "What a lovely day, thanks!", "negative": "This is awful.", "neutral": "It is Tuesday."}


@pytest.fixture
def chat(process: Any) -> Stack:
    made = Stack(process, "chat")
    made.deploy(CHAT / "template.yaml")
    return made


def ask(chat: Stack, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    status, _, content = chat.http(method, path, body, {"content-type": "application/json", "origin": "http://somewhere.example"})
    return status, json.loads(content)


def everything(chat: Stack, room: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := ask(chat, "GET", f"/rooms/{room}/messages?after={found[-1]['sent'] if found else ''}")[1]["messages"]:
        found += page
    return found


def test_each_message_is_felt_once_whatever_is_killed(chat: Stack, process: Any) -> None:
    assert ask(chat, "POST", "/rooms/a/messages", {"author": "ada"})[0] == 400
    moods = list(TEXTS) * 20

    def say(number: int) -> int:
        text = f"{number}: {TEXTS[moods[number]]}"
        return ask(chat, "POST", f"/rooms/{'ab'[number % 2]}/messages", {"author": "ada", "text": text})[0]

    with ThreadPoolExecutor(4) as authors:
        assert set(authors.map(say, range(len(moods)))) == {201}
    for pause_s in (0.0, 0.1):
        process.restart()
        threading.Event().wait(pause_s)
    process.advance("5m")
    for number, room in enumerate("ab"):
        messages = everything(chat, room)
        said = [int(message["text"].partition(":")[0]) for message in messages]
        assert sorted(said) == list(range(number, len(moods), 2))
        assert [message["mood"] for message in messages] == [moods[n] for n in said]
        assert [message["sent"] for message in messages] == sorted(message["sent"] for message in messages)
        _, seen = ask(chat, "GET", f"/rooms/{room}")
        assert {mood: seen[mood] for mood in TEXTS} == dict(Counter(moods[number::2]))


def test_who_is_silent_is_gone_and_messages_do_not_stay_for_ever(chat: Stack, process: Any) -> None:
    for name in ("ada", "grace"):
        assert ask(chat, "PUT", f"/rooms/a/members/{name}", {}) == (200, {"room": "a", "name": name})
    assert ask(chat, "GET", "/rooms/a")[1]["members"] == ["ada", "grace"]
    assert ask(chat, "POST", "/rooms/a/messages", {"author": "ada", "text": "Bravo"})[0] == 201
    process.advance("61s")
    assert ask(chat, "GET", "/rooms/a")[1] == {"room": "a", "members": [], "positive": 1, "negative": 0, "neutral": 0}
    assert [message["mood"] for message in everything(chat, "a")] == ["positive"]
    process.advance("30d")
    assert everything(chat, "a") == []


def test_the_site_is_served_from_its_bucket_and_may_call_the_api(chat: Stack, process: Any) -> None:
    if shutil.which("aws") is None:
        pytest.skip("the AWS CLI uploads the site")
    bucket = chat.outputs["Site"]
    synced = subprocess.run(
        ["aws", "s3", "sync", str(CHAT / "site"), f"s3://{bucket}"], env=environment(process), capture_output=True, text=True
    )
    assert synced.returncode == 0, synced.stderr
    site = f"http://{bucket}.s3-website.us-east-1.localhost"
    status, headers, body = request(process, site + "/")
    assert (status, headers["content-type"], body) == (200, "text/html", (CHAT / "site" / "index.html").read_bytes())
    assert request(process, site + "/chat.css")[1]["content-type"] == "text/css"
    assert "javascript" in request(process, site + "/chat.js")[1]["content-type"]
    status, _, body = request(process, site + "/nowhere")
    # Who may not list the bucket is not told whether there is nothing.
    assert (status, body) == (403, (CHAT / "site" / "lost.html").read_bytes())
    asked = {"origin": site, "access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
    status, headers, _ = chat.http("OPTIONS", "/rooms/a/members/ada", headers=asked)
    assert status in (200, 204) and headers["access-control-allow-origin"] == "*"
    assert "PUT" in headers["access-control-allow-methods"]
    # A release of the site is a sync again: only what changed goes up.
    again = subprocess.run(
        ["aws", "s3", "sync", str(CHAT / "site"), f"s3://{bucket}"], env=environment(process), capture_output=True, text=True
    )
    assert (again.returncode, again.stdout) == (0, "")
