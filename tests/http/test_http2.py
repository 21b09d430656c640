"""HTTP/2 with prior knowledge over clear text, through a client that speaks it frame by frame."""

import json
import shutil
import socket
import subprocess
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest

from groundcloud.auth import signing
from groundcloud.http import http2, server
from groundcloud.testing import Threaded

JSON = {"content-type": "application/x-amz-json-1.0"}
KINESIS_JSON = {"content-type": "application/x-amz-json-1.1"}


class Answer:
    def __init__(self):
        self.status, self.headers, self.body, self.whole, self.reset = 0, {}, bytearray(), False, None


class Client:
    """One connection; reads only while it waits for something. `windows=False`: takes what its windows hold, and gives nothing back."""

    def __init__(self, ground, account="test", windows=True):
        self.host = ground.endpoint.removeprefix("http://")
        self.socket = socket.create_connection(("127.0.0.1", int(self.host.rpartition(":")[2])), timeout=5)
        self.credentials = signing.Credentials(account, "test")
        self.windows = windows
        self.answers, self.seen, self.goodbye, self.closed = {}, [], None, False
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False))
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def begin(self, method, path="/", headers=None, end=True):
        stream_id = self.h2.get_next_available_stream_id()
        self.answers[stream_id] = Answer()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", self.host), (":path", path)]
        self.h2.send_headers(stream_id, pseudo + list((headers or {}).items()), end_stream=end)
        return stream_id

    def signed(self, service, method="POST", path="/", headers=None, body=b"", payload_hash=None):
        headers = {"host": self.host, **(headers or {})}
        found = signing.sign(self.credentials, "us-east-1", service, method, path, "", headers, body, time.time(), payload_hash)
        return {name: value for name, value in found.items() if name != "host"}

    def request(self, service, target, given, headers=JSON):
        """Begins an operation of a JSON protocol; the id of its stream."""
        body = json.dumps(given).encode()
        stream_id = self.begin("POST", headers=self.signed(service, headers={**headers, "x-amz-target": target}, body=body), end=False)
        self.h2.send_data(stream_id, body, end_stream=True)
        self.flush()
        return stream_id

    def upload(self, stream_id, data):
        """All of `data`, as the server's windows allow; less if the server resets the stream meanwhile."""
        sent = 0
        while sent < len(data) and self.answers[stream_id].reset is None:
            size = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size, len(data) - sent)
            if size == 0:
                self.read()
                continue
            self.h2.send_data(stream_id, data[sent : sent + size], end_stream=sent + size == len(data))
            sent += size
            self.flush()
        return sent

    def read(self):
        data = self.socket.recv(1 << 20)
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            self.seen.append(type(event))
            answer = self.answers.get(getattr(event, "stream_id", None))
            if isinstance(event, h2.events.ResponseReceived):
                answer.headers = dict(event.headers)
                answer.status = int(answer.headers[":status"])
            elif isinstance(event, h2.events.DataReceived):
                answer.body += event.data
                if self.windows:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                answer.whole = True
            elif isinstance(event, h2.events.StreamReset):
                answer.reset = event.error_code
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.goodbye = event.error_code
        self.flush()

    def until(self, reached):
        while not reached() and not self.closed:
            self.read()

    def answer(self, stream_id):
        answer = self.answers[stream_id]
        self.until(lambda: answer.whole or answer.reset is not None)
        return answer


@pytest.fixture
def wire(ground, account):
    connection = Client(ground, account)
    yield connection
    connection.socket.close()


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def bucket(s3, account):
    s3.create_bucket(Bucket=f"over-http2-{account}")
    return f"over-http2-{account}"


def test_a_signed_request_is_answered(wire):
    answer = wire.answer(wire.request("sqs", "AmazonSQS.CreateQueue", {"QueueName": "two"}))
    assert answer.status == 200 and json.loads(answer.body)["QueueUrl"].endswith("/two")
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "date" in answer.headers and "connection" not in answer.headers


def test_a_false_signature_is_refused_over_http2_too(wire):
    stream_id = wire.begin(
        "POST", headers={**wire.signed("sqs", headers=JSON, body=b"other"), "x-amz-target": "AmazonSQS.ListQueues"}, end=False
    )
    wire.h2.send_data(stream_id, b"{}", end_stream=True)
    wire.flush()
    assert wire.answer(stream_id).status >= 400


def test_fifty_requests_at_a_time_share_a_connection(wire, client):
    queue_url = client("sqs").create_queue(QueueName="busy")["QueueUrl"]
    streams = [wire.request("sqs", "AmazonSQS.SendMessage", {"QueueUrl": queue_url, "MessageBody": str(number)}) for number in range(50)]
    assert [wire.answer(stream_id).status for stream_id in streams] == [200] * 50
    assert len({json.loads(wire.answers[stream_id].body)["MessageId"] for stream_id in streams}) == 50
    attributes = client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "50"


def test_twenty_megabytes_go_both_ways(wire, bucket):
    content = bytes(range(256)) * (20 * 4096)
    headers = {"content-length": str(len(content))}
    stream_id = wire.begin(
        "PUT", f"/{bucket}/big", wire.signed("s3", "PUT", f"/{bucket}/big", headers, payload_hash="UNSIGNED-PAYLOAD"), end=False
    )
    assert wire.upload(stream_id, content) == len(content)
    assert wire.answer(stream_id).status == 200
    stream_id = wire.begin("GET", f"/{bucket}/big", wire.signed("s3", "GET", f"/{bucket}/big"))
    wire.flush()
    answer = wire.answer(stream_id)
    assert answer.status == 200 and answer.body == content


def test_a_body_needs_no_length(wire):
    headers = wire.signed("sqs", headers={**JSON, "x-amz-target": "AmazonSQS.ListQueues"}, body=b"{}")
    stream_id = wire.begin("POST", headers=headers, end=False)
    wire.h2.send_data(stream_id, b"{")
    wire.h2.send_data(stream_id, b"}")
    wire.h2.send_headers(stream_id, [("x-trailer", "of no interest")], end_stream=True)
    wire.flush()
    assert wire.answer(stream_id).status == 200


def test_a_head_answer_has_a_length_and_no_body(wire, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    stream_id = wire.begin("HEAD", f"/{bucket}/k", wire.signed("s3", "HEAD", f"/{bucket}/k"))
    wire.flush()
    answer = wire.answer(stream_id)
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "7", b"")


def test_who_expects_100_gets_it(wire, bucket, s3):
    headers = {"content-length": "7", "expect": "100-continue"}
    stream_id = wire.begin(
        "PUT", f"/{bucket}/k", wire.signed("s3", "PUT", f"/{bucket}/k", headers, payload_hash="UNSIGNED-PAYLOAD"), end=False
    )
    wire.flush()
    wire.until(lambda: h2.events.InformationalResponseReceived in wire.seen)
    wire.upload(stream_id, b"content")
    assert wire.answer(stream_id).status == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"


def test_an_upload_that_is_reset_leaves_nothing_and_the_connection_goes_on(wire, bucket, s3, caplog):
    headers = {"content-length": "100000"}
    stream_id = wire.begin(
        "PUT", f"/{bucket}/cut", wire.signed("s3", "PUT", f"/{bucket}/cut", headers, payload_hash="UNSIGNED-PAYLOAD"), end=False
    )
    wire.h2.send_data(stream_id, b"x" * 10_000)
    wire.flush()
    wire.h2.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
    answer = wire.answer(wire.request("sqs", "AmazonSQS.ListQueues", {}))
    assert answer.status == 200
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert not [record for record in caplog.records if record.name.startswith("groundcloud")]  # no fault of ours


def test_a_refusal_ends_an_upload_that_nobody_reads(wire, bucket):
    headers = {"content-length": str(4 << 20), "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    stream_id = wire.begin("PUT", f"/{bucket}/refused", headers, end=False)  # not signed
    assert wire.upload(stream_id, bytes(4 << 20)) < 4 << 20
    answer = wire.answers[stream_id]
    assert answer.status == 403 and answer.whole and answer.reset == h2.errors.ErrorCodes.NO_ERROR
    assert wire.answer(wire.request("sqs", "AmazonSQS.ListQueues", {})).status == 200


def test_a_slow_reader_holds_up_nobody_else(ground, account, bucket, s3):
    content = bytes(range(256)) * 4096
    s3.put_object(Bucket=bucket, Key="slow", Body=content)
    slow = Client(ground, account, windows=False)
    stream_id = slow.begin("GET", f"/{bucket}/slow", slow.signed("s3", "GET", f"/{bucket}/slow"))
    slow.flush()
    slow.until(lambda: len(slow.answers[stream_id].body) == 65535)
    # Its window is used up, and the connection's: the answer waits, and another connection does not.
    other = Client(ground, account)
    assert other.answer(other.request("sqs", "AmazonSQS.ListQueues", {})).status == 200
    # The connection's opens: another stream takes its turn past the one that waits.
    slow.h2.increment_flow_control_window(1000)
    assert slow.answer(slow.request("sqs", "AmazonSQS.ListQueues", {})).status == 200
    assert len(slow.answers[stream_id].body) == 65535
    slow.windows = True
    slow.h2.increment_flow_control_window(len(content))
    slow.h2.increment_flow_control_window(len(content), stream_id)
    slow.flush()
    assert slow.answer(stream_id).body == content
    slow.socket.close()
    other.socket.close()


def test_windows_that_grow_by_settings_let_answers_go_on(ground, account, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(50_000))
    wire = Client(ground, account)
    wire.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    wire.flush()
    wire.until(lambda: h2.events.SettingsAcknowledged in wire.seen)
    wire.seen.clear()
    stream_id = wire.begin("GET", f"/{bucket}/k", wire.signed("s3", "GET", f"/{bucket}/k"))
    wire.flush()
    wire.windows = False
    wire.until(lambda: len(wire.answers[stream_id].body) == 10)
    wire.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 60_000})
    wire.flush()
    assert wire.answer(stream_id).body == bytes(50_000)
    wire.socket.close()


def test_a_stream_of_events_is_answered_and_ends_when_its_client_resets_it(wire, client, ground):
    kinesis = client("kinesis")
    kinesis.create_stream(StreamName="live", ShardCount=1)
    ground.settle()
    stream = kinesis.describe_stream(StreamName="live")["StreamDescription"]
    consumer = kinesis.register_stream_consumer(StreamARN=stream["StreamARN"], ConsumerName="c")["Consumer"]
    ground.advance("1m")
    given = {
        "ConsumerARN": consumer["ConsumerARN"],
        "ShardId": stream["Shards"][0]["ShardId"],
        "StartingPosition": {"Type": "TRIM_HORIZON"},
    }
    stream_id = wire.request("kinesis", "Kinesis_20131202.SubscribeToShard", given, KINESIS_JSON)
    wire.until(lambda: b"initial-response" in wire.answers[stream_id].body)
    kinesis.put_record(StreamName="live", Data=b"x", PartitionKey="a-partition-key")
    wire.until(lambda: b"a-partition-key" in wire.answers[stream_id].body)
    wire.h2.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
    assert wire.answer(wire.request("sqs", "AmazonSQS.ListQueues", {})).status == 200
    assert wire.answers[stream_id].status == 200 and not wire.answers[stream_id].whole


@pytest.mark.parametrize("size", [1, 5, 23])
def test_a_preface_may_come_in_pieces(ground, size):
    connection = socket.create_connection(("127.0.0.1", int(ground.endpoint.rpartition(":")[2])), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(server.HTTP2_PREFACE[:size])
    assert ground.admin("GET", "/_ground/health")["status"] == "ok"  # the server has read the first by then
    connection.sendall(server.HTTP2_PREFACE[size:] + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    assert connection.recv(9)[3] == 4  # SETTINGS
    connection.close()


@pytest.mark.parametrize("size", [1, 3])
def test_a_request_that_begins_like_the_preface_is_http_1(ground, size):
    connection = socket.create_connection(("127.0.0.1", int(ground.endpoint.rpartition(":")[2])), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b"PROPFIND /_ground/health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    connection.sendall(request[:size])
    assert ground.admin("GET", "/_ground/health")["status"] == "ok"
    connection.sendall(request[size:])
    assert connection.recv(100).startswith(b"HTTP/1.1 ")
    connection.close()


def test_headers_past_the_limit_are_refused(wire):
    stream_id = wire.begin("GET", headers={f"x-{number}": "a" * 7000 for number in range(10)})
    wire.flush()
    assert wire.answer(stream_id).status == 431
    wire.begin("GET", headers={f"x-{number}": "b" * 7000 for number in range(30)})
    wire.flush()
    wire.until(lambda: wire.goodbye is not None)
    assert wire.goodbye == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("path", ["*", "health", "/caf\xe9"])
def test_a_path_that_is_none_resets_its_stream_alone(wire, path):
    stream_id = wire.begin("OPTIONS", path)
    wire.flush()
    assert wire.answer(stream_id).reset == h2.errors.ErrorCodes.PROTOCOL_ERROR
    assert wire.answer(wire.request("sqs", "AmazonSQS.ListQueues", {})).status == 200


def test_pings_are_answered_and_nonsense_is_told_why(wire):
    wire.h2.ping(b"12345678")
    wire.flush()
    wire.until(lambda: h2.events.PingAckReceived in wire.seen)
    wire.socket.sendall(b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00")  # a window opened by nothing
    wire.until(lambda: wire.goodbye is not None)
    assert wire.goodbye == h2.errors.ErrorCodes.PROTOCOL_ERROR


def test_a_client_that_only_opens_and_resets_is_broken_off(wire, ground, monkeypatch):
    monkeypatch.setattr(http2, "RESETS_MAX", 20)
    fresh = Client(ground)
    try:
        for _ in range(100):
            stream_id = fresh.begin("POST", headers={"content-length": "5"}, end=False)
            fresh.h2.reset_stream(stream_id)
        fresh.flush()
        fresh.until(lambda: fresh.goodbye is not None)
    finally:
        fresh.socket.close()
    assert fresh.goodbye == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
    assert wire.answer(wire.request("sqs", "AmazonSQS.ListQueues", {})).status == 200


def test_a_window_opened_too_far_ends_its_stream_alone(ground, account, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(1 << 20))
    wire = Client(ground, account, windows=False)
    stream_id = wire.begin("GET", f"/{bucket}/k", wire.signed("s3", "GET", f"/{bucket}/k"))
    wire.flush()
    wire.until(lambda: len(wire.answers[stream_id].body) == 65535)
    for _ in range(2):
        wire.socket.sendall(b"\x00\x00\x04\x08\x00" + stream_id.to_bytes(4, "big") + b"\x7f\xff\xff\xff")
    assert wire.answer(stream_id).reset == h2.errors.ErrorCodes.FLOW_CONTROL_ERROR
    wire.h2.increment_flow_control_window(1000)
    assert wire.answer(wire.request("sqs", "AmazonSQS.ListQueues", {})).status == 200
    wire.socket.close()


@pytest.mark.slow
def test_a_client_that_never_reads_is_broken_off(ground, monkeypatch):
    monkeypatch.setattr(http2, "UNREAD_BYTES_MAX", 100_000)
    connection = Client(ground)
    pings = b"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678" * 10_000
    with pytest.raises(OSError):
        for _ in range(1000):
            connection.socket.sendall(pings)
    connection.socket.close()
    assert ground.admin("GET", "/_ground/health")["status"] == "ok"


def test_streams_under_way_end_after_a_clients_goodbye(wire, bucket, s3):
    content = bytes(range(256)) * 4096
    s3.put_object(Bucket=bucket, Key="last", Body=content)
    stream_id = wire.begin("GET", f"/{bucket}/last", wire.signed("s3", "GET", f"/{bucket}/last"))
    wire.flush()
    wire.until(lambda: wire.answers[stream_id].body)
    wire.socket.sendall(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8))  # GOAWAY, after which Python's client would read no more
    assert wire.answer(stream_id).body == content
    wire.until(lambda: wire.closed)


def test_a_server_that_stops_says_goodbye_and_finishes_what_it_began():
    ending = Threaded()
    wire = Client(ending)
    stream_id = wire.begin(
        "POST", headers=wire.signed("sqs", headers={**JSON, "x-amz-target": "AmazonSQS.ListQueues"}, body=b"{}"), end=False
    )
    wire.flush()
    wire.h2.ping(b"12345678")
    wire.flush()
    wire.until(lambda: h2.events.PingAckReceived in wire.seen)  # the request has begun
    closing = threading.Thread(target=ending.close)
    closing.start()
    goodbyes = b""
    while b"\x00\x00\x08\x07" not in goodbyes:
        goodbyes += wire.socket.recv(65536)
    wire.h2.send_data(stream_id, b"{}", end_stream=True)
    wire.flush()
    assert wire.answer(stream_id).status == 200
    wire.until(lambda: wire.closed)
    closing.join(15)
    assert not closing.is_alive()


def test_a_connection_that_stands_idle_is_closed(ground, monkeypatch):
    monkeypatch.setattr(ground._server.config, "timeout_keep_alive", 0)
    wire = Client(ground)
    wire.until(lambda: wire.closed)
    assert wire.goodbye == h2.errors.ErrorCodes.NO_ERROR


NODE_CALLS = """
import { DescribeStreamCommand, GetRecordsCommand, GetShardIteratorCommand, KinesisClient, PutRecordCommand, SubscribeToShardCommand }
  from "@aws-sdk/client-kinesis";
const [endpoint, accessKeyId, ConsumerARN] = process.argv.slice(2);
const kinesis = new KinesisClient({ endpoint, region: "us-east-1", credentials: { accessKeyId, secretAccessKey: "test" } });
const StreamName = "from-node";
const puts = await Promise.all([..."abcdefgh"].map((key) =>
  kinesis.send(new PutRecordCommand({ StreamName, PartitionKey: key, Data: new TextEncoder().encode(key) }))));
const ShardId = puts[0].ShardId;
const { ShardIterator } = await kinesis.send(new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: "TRIM_HORIZON" }));
const { Records } = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
const { EventStream } = await kinesis.send(new SubscribeToShardCommand({ ConsumerARN, ShardId, StartingPosition: { Type: "TRIM_HORIZON" } }));
let pushed = 0;
for await (const event of EventStream) {
  pushed += event.SubscribeToShardEvent?.Records.length ?? 0;
  if (pushed >= 8) break;
}
let refused = "";
try { await kinesis.send(new DescribeStreamCommand({ StreamName: "missing" })); } catch (error) { refused = error.name; }
console.log(JSON.stringify([kinesis.config.requestHandler.constructor.name, Records.length, pushed, refused]));
process.exit(0);
"""


@pytest.mark.slow
def test_nodes_sdk_speaks_to_kinesis_as_it_comes(ground, client, account, tmp_path):
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    (tmp_path / "package.json").write_text("{}")
    installed = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "@aws-sdk/client-kinesis"], cwd=tmp_path, timeout=120, check=False
    )
    if installed.returncode:
        pytest.skip("npm reaches no registry")
    kinesis = client("kinesis")
    kinesis.create_stream(StreamName="from-node", ShardCount=1)
    ground.settle()
    stream_arn = kinesis.describe_stream(StreamName="from-node")["StreamDescription"]["StreamARN"]
    consumer_arn = kinesis.register_stream_consumer(StreamARN=stream_arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    ground.advance("1m")
    (tmp_path / "calls.mjs").write_text(NODE_CALLS)
    run = subprocess.run(
        ["node", "calls.mjs", ground.endpoint, account, consumer_arn], cwd=tmp_path, timeout=60, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == ["NodeHttp2Handler", 8, 8, "ResourceNotFoundException"]
