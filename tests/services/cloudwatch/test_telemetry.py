"""AWS's own metrics from the records of calls, and what a record costs."""

import time

import pytest

from groundcloud.kernel.telemetry import CallRecord
from groundcloud.services.cloudwatch.telemetry import measure

MINUTE = 1_795_224_000


def record(service, operation, resource, status=200, error="", us=5000, **more):
    return CallRecord("r", MINUTE * 1000 + 7, "1", "us-east-1", service, operation, resource, "p", status, error, us, **more)


def measured(*records):
    """(name, dimensions) -> (count, sum)."""
    places = measure(list(records))
    return {
        (name, dimensions): (found.count, found.total)
        for each in places.values()
        for (namespace, name, dimensions, unit, start_s), found in each.items()
        if start_s == MINUTE
    }


def test_invocations():
    units = {"errors": 0.0, "billed_ms": 12.0}
    arn = "arn:aws:lambda:us-east-1:1:function:f"
    dimensions = {"FunctionName": "f"}
    found = measured(
        record("lambda", "Invoke", arn, units=units, dimensions=dimensions),
        record("lambda", "Invoke", arn, units={**units, "errors": 1.0}, dimensions=dimensions),
        record("lambda", "Invoke", arn, 429, "TooManyRequestsException", dimensions=dimensions),
        record("lambda", "GetFunction", arn),
    )
    of = (("FunctionName", "f"),)
    assert found[("Invocations", of)] == (2, 2)
    assert found[("Errors", of)] == (2, 1)
    assert found[("Throttles", of)] == (3, 1)
    assert found[("Duration", of)] == (2, 24)


def test_letters_and_records_of_a_function_that_were_lost():
    arn, of = "arn:aws:lambda:us-east-1:1:function:f", (("FunctionName", "f"),)
    found = measured(
        record("lambda", "DeliveryLost", arn, 502, "AccessDenied", dimensions={"RequestID": "r", "ErrorCode": "200"}),
        record("lambda", "DeliveryLost", arn, 502, "AccessDenied"),
        record("lambda", "DeliveryLost", arn, 502, "AccessDenied"),
    )
    assert (found[("DeadLetterErrors", of)], found[("DestinationDeliveryFailures", of)]) == ((1, 1), (2, 2))


@pytest.mark.parametrize(
    ("dimensions", "api", "names"),
    [
        ({"ApiName": "a", "Stage": "v1"}, ("ApiName", "a"), ("4XXError", "5XXError")),
        ({"ApiId": "a", "Stage": "v1"}, ("ApiId", "a"), ("4xx", "5xx")),
    ],
)
def test_apis(dimensions, api, names):
    found = measured(
        *[
            record("execute-api", "GET /", "arn:aws:execute-api:x", status, dimensions=dimensions, units={"IntegrationLatency": 3.0})
            for status in (200, 404, 503, 500)
        ]
    )
    for of in ((api,), (api, ("Stage", "v1"))):
        assert found[("Count", of)] == (4, 4)
        assert found[(names[0], of)] == (4, 1)
        assert found[(names[1], of)] == (4, 2)
        assert found[("Latency", of)] == (4, 20)
        assert found[("IntegrationLatency", of)] == (4, 12)


def test_queues_and_tables():
    queue, table = "arn:aws:sqs:us-east-1:1:q", "arn:aws:dynamodb:us-east-1:1:table/t/index/i"
    found = measured(
        record("sqs", "SendMessage", queue),
        record("sqs", "SendMessageBatch", queue, units={"NumberOfMessagesSent": 3.0, "SentMessageSize": 30.0}),
        record("sqs", "SendMessage", queue, 400, "InvalidParameterValue"),
        record("dynamodb", "Query", table, units={"ConsumedReadCapacityUnits": 0.5}),
        record("dynamodb", "PutItem", table, 400, "ProvisionedThroughputExceededException"),
        record("dynamodb", "PutItem", table, 400, "ValidationException"),
    )
    assert found[("NumberOfMessagesSent", (("QueueName", "q"),))] == (2, 4)
    assert found[("SentMessageSize", (("QueueName", "q"),))] == (1, 30)
    assert found[("SuccessfulRequestLatency", (("Operation", "Query"), ("TableName", "t")))] == (1, 5)
    assert found[("ConsumedReadCapacityUnits", (("TableName", "t"),))] == (1, 0.5)
    assert found[("ThrottledRequests", (("Operation", "PutItem"), ("TableName", "t")))] == (1, 1)
    assert found[("UserErrors", ())] == (1, 1)


def test_streams():
    arn, of = "arn:aws:kinesis:us-east-1:1:stream/s", (("StreamName", "s"),)
    found = measured(
        record("kinesis", "PutRecord", arn, units={"IncomingRecords": 1, "IncomingBytes": 9, "PutRecord.Bytes": 9}),
        record("kinesis", "PutRecord", arn, 400, "ProvisionedThroughputExceededException"),
        record("kinesis", "PutRecords", arn, units={"IncomingRecords": 2, "PutRecords.TotalRecords": 3, "PutRecords.ThrottledRecords": 1}),
        record("kinesis", "GetRecords", arn, units={"GetRecords.Records": 2, "GetRecords.IteratorAgeMilliseconds": 40}),
        record("kinesis", "DescribeStream", arn),
    )
    assert found[("IncomingRecords", of)] == (2, 3)
    assert found[("PutRecord.Success", of)] == (2, 1)
    assert found[("PutRecord.Latency", of)] == (1, 5)
    assert found[("WriteProvisionedThroughputExceeded", of)] == (3, 2)
    assert found[("ReadProvisionedThroughputExceeded", of)] == (1, 0)
    assert found[("PutRecords.TotalRecords", of)] == (1, 3)
    assert found[("GetRecords.IteratorAgeMilliseconds", of)] == (1, 40)
    assert not any("DescribeStream" in name for name, _ in found)


def test_calls_become_metrics_that_can_be_read(client, clock):
    sqs, cloudwatch = client("sqs"), client("cloudwatch")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    clock.settle()
    now = int(clock.now_s())
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="NumberOfMessagesSent",
        Dimensions=[{"Name": "QueueName", "Value": "q"}],
        StartTime=now - 120,
        EndTime=now + 60,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 3.0


def test_an_api_that_answers_503_sets_off_the_alarm_of_the_example(client, ground, account, clock):
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="WebErrors",
        Namespace="AWS/ApiGateway",
        MetricName="5xx",
        Dimensions=[{"Name": "ApiId", "Value": "abc"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )

    def state():
        return cloudwatch.describe_alarms()["MetricAlarms"][0]["StateValue"]

    clock.advance("2m")
    assert state() == "OK"
    server = ground.ground
    answered = record("execute-api", "GET /offers", "arn", 503, dimensions={"ApiId": "abc", "Stage": "$default"})
    answered.at_ms, answered.account = server.clock.now_ms(), account
    server.telemetry.emit(answered)
    clock.advance("2m")
    assert state() == "ALARM"
    clock.advance("5m")
    assert state() == "OK"


def test_a_record_costs_little():
    records = [
        record("execute-api", "GET /", "arn", us=us * 10, dimensions={"ApiId": "a", "Stage": "s"}, units={"IntegrationLatency": us % 50})
        for us in range(2000)
    ]
    best = min(_taken(records) for _ in range(5))
    assert best / len(records) < 20e-6  # a wide margin: other tests run beside this one


def _taken(records):
    began = time.perf_counter()
    measure(records)
    return time.perf_counter() - began
