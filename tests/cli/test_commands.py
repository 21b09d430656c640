"""The commands against a real server: what a person types and reads."""

import http.server
import json
import re
import signal
import subprocess
import sys
import threading
import time

import click
import pytest
from click.testing import CliRunner

from groundcloud.cli.main import main


@pytest.fixture
def cli(ground, monkeypatch):
    """`cli("clock")` -> (exit status, output); the server is this session's."""
    monkeypatch.setenv("GROUND_ENDPOINT", ground.endpoint)
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, text=None, account=None):
        if account:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
        result = CliRunner().invoke(main, list(arguments), input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return run


def test_help_names_every_command_and_teaches():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0 and all(
        word in result.output for word in ("up", "deploy", "logs", "invoke", "delete", "clock", "why", "env", "services")
    )
    for command in ("up", "deploy", "logs", "invoke", "delete", "clock", "why", "env"):
        assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


def test_env_prints_what_points_tools_here(cli, ground):
    status, output = cli("env")
    assert status == 0 and f"export AWS_ENDPOINT_URL={ground.endpoint}" in output and "export AWS_ACCESS_KEY_ID=test" in output
    assert json.loads(cli("env", "--json")[1])["AWS_REGION"] == "us-east-1"
    assert "unset AWS_ENDPOINT_URL" in cli("env", "--unset")[1]


def test_the_clock_is_shown_and_moved(cli):
    before = json.loads(cli("clock", "--json")[1])["now_ms"]
    assert cli("clock", "advance", "90s")[0] == 0
    after = json.loads(cli("clock", "--json")[1])["now_ms"]
    assert 90_000 <= after - before < 100_000
    status, output = cli("clock", "advance", "soon")
    assert status == 1 and "write it like 90s" in output
    status, output = cli("clock", "advance", "-5m")
    assert status == 1 and "time only goes forward" in output
    for far in (("advance", "400000d"), ("to", "9999-01-01T00:00:00Z")):
        status, output = cli("clock", *far)
        assert status == 1 and "no further than 2262-01-01" in output
    assert json.loads(cli("clock", "--json")[1])["now_ms"] - after < 100_000


def test_a_clock_that_stands_still_is_as_far_ahead_as_it_was_moved(cli):
    try:
        cli("clock", "freeze")
        before = json.loads(cli("clock", "--json")[1])
        cli("clock", "advance", "1d")
        after = json.loads(cli("clock", "--json")[1])
        assert after["frozen"] and after["now_ms"] - before["now_ms"] == 86_400_000
        assert 86_300_000 < after["offset_ms"] - before["offset_ms"] <= 86_400_000
        assert "standing still" in cli("clock")[1]
    finally:
        cli("clock", "resume")


def test_a_command_without_a_server_says_how_to_start_one(cli):
    status, output = cli("clock", "--endpoint", "http://localhost:1")
    assert status == 1 and "ground up" in output


def test_an_endpoint_that_is_no_url_is_named(cli):
    status, output = cli("clock", "--endpoint", "localhost:4566")
    assert status == 1 and "'localhost:4566' is no URL; write it like http://localhost:4566" in output


def test_what_answers_but_is_no_groundcloud_server_is_named(cli):
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{other.server_port}"
        status, output = cli("services", "--endpoint", endpoint)
        other.shutdown()
    assert status == 1 and f"What answers at {endpoint} is no Groundcloud server (HTTP 404)" in output


def test_credentials_of_another_cloud_in_the_environment_are_explained(cli, ground, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of another cloud")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another cloud")
    status, output = cli("invoke", "Hello")
    assert status == 1 and "AWS_ACCESS_KEY_ID is AKIAIOSFODNN7EXAMPLE" in output and f"ground env --endpoint {ground.endpoint}" in output
    status, output = cli("env")
    assert status == 0 and "does not know the environment's AKIAIOSFODNN7EXAMPLE" in output
    assert "export AWS_ACCESS_KEY_ID=test\n" in output and "unset AWS_SESSION_TOKEN" in output


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_an_empty_credential_is_as_good_as_none(cli, monkeypatch, name):
    monkeypatch.setenv(name, "")
    status, output = cli("delete", "not-there", "--yes")
    assert status == 1 and "There is no stack 'not-there'" in output


def test_a_profile_of_the_aws_cli_has_no_say(cli, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    status, output = cli("delete", "not-there", "--yes")
    assert status == 1 and "There is no stack 'not-there'" in output


def test_no_color_means_none(monkeypatch):
    monkeypatch.setitem(main.commands, "shown", click.Command("shown", callback=lambda: click.secho("red", fg="red")))
    colour = CliRunner().invoke(main, ["shown"], color=True)
    assert "\x1b" in colour.output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in CliRunner().invoke(main, ["shown"], color=True).output


def test_what_is_no_time_is_shown_one(cli):
    status, output = cli("clock", "to", "yesterday")
    assert status == 1 and "'yesterday' is no time; write it like 2026-12-24T18:00:00Z" in output


def test_an_address_of_another_machine_cannot_be_listened_on():
    result = CliRunner().invoke(main, ["up", "--port", "0", "--memory", "--host", "192.0.2.1"])
    assert result.exit_code == 1 and "Cannot listen on 192.0.2.1" in result.output and "--host" in result.output


def test_a_directory_that_can_hold_no_state_is_named(tmp_path):
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["up", "--port", "0", "--data", str(tmp_path / "file")])
    assert result.exit_code == 1 and "Cannot keep state in" in result.output and "--data" in result.output


def test_a_port_out_of_range_is_refused():
    result = CliRunner().invoke(main, ["up", "--port", "99999"])
    assert result.exit_code == 2 and "0<=x<=65535" in result.output


def test_why_explains_a_denial(cli, ground, client):
    key = client("iam").create_user(UserName="bob") and client("iam").create_access_key(UserName="bob")["AccessKey"]
    sqs = client("sqs", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    with pytest.raises(Exception, match="no identity-based policy allows") as caught:
        sqs.create_queue(QueueName="q")
    request_id = re.search(r"ground why ([0-9a-f-]{36})", str(caught.value))[1]
    status, output = cli("why", request_id)
    assert status == 0 and "sqs:CreateQueue" in output and "implicit deny" in output
    status, output = cli("why", "nothing")
    assert status == 1 and "No decision is kept" in output


def test_services_counts_what_is_implemented(cli):
    status, output = cli("services")
    assert status == 0 and re.search(r"sqs +23 of 23 operations", output)


def test_a_second_server_on_the_same_directory_is_refused(process):
    second = subprocess.run(
        [sys.executable, "-m", "groundcloud", "up", "--port", "0", "--data", str(process.data_dir)],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (
        second.returncode == 1
        and f"is in use by another Groundcloud server (process {process.pid})" in second.stderr
        and "--data" in second.stderr
    )


def test_a_taken_port_is_named(process, tmp_path):
    port = process.endpoint.rpartition(":")[2]
    second = subprocess.run(
        [sys.executable, "-m", "groundcloud", "up", "--port", port, "--data", str(tmp_path / "b")],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert second.returncode == 1 and f"Cannot listen on 127.0.0.1:{port}" in second.stderr and "--port" in second.stderr


def test_ctrl_c_ends_the_server_cleanly(process):
    began = time.monotonic()
    assert process.stop() in (0, 130, -2)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_store_and_says_so(tmp_path, ending):
    server = subprocess.Popen(
        [sys.executable, "-m", "groundcloud", "up", "--port", "0", "--data", str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert any("Ctrl-C" in line for line in server.stdout)
    server.send_signal(ending)
    assert "Stopped. Everything that was acknowledged is on disk." in server.communicate(timeout=20)[0]
    assert server.returncode == 0


def test_any_address_but_loopback_demands_generated_credentials(tmp_path):
    from groundcloud.testing import Process

    server = Process(tmp_path / "open", "--host", "0.0.0.0")
    try:
        with pytest.raises(Exception, match=r"security token included in the request is invalid|UnrecognizedClient|InvalidClientTokenId"):
            server.client("sts").get_caller_identity()
        root = json.loads((tmp_path / "open" / "root-credentials.json").read_text())
        sts = server.client("sts", aws_access_key_id=root["AccessKeyId"], aws_secret_access_key=root["SecretAccessKey"])
        assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
        assert (tmp_path / "open" / "root-credentials.json").stat().st_mode & 0o077 == 0
    finally:
        server.close()
