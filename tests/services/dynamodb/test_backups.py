"""Backups, and a table as it was at a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.services.dynamodb.asking import index, refusal


def items(dynamodb: Any, table_name: str) -> dict[str, str]:
    return {item["pk"]["S"]: item["v"]["N"] for item in dynamodb.scan(TableName=table_name)["Items"]}


def put(dynamodb: Any, table_name: str, pk: str, v: int) -> None:
    dynamodb.put_item(TableName=table_name, Item={"pk": {"S": pk}, "v": {"N": str(v)}, "g": {"S": "g"}})


def test_a_backup_is_the_table_as_it_was(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("saved", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    for at in range(3):
        put(dynamodb, "saved", str(at), at)
    backup = dynamodb.create_backup(TableName="saved", BackupName="first")["BackupDetails"]
    assert backup["BackupStatus"] == "CREATING"
    put(dynamodb, "saved", "0", 100)
    dynamodb.delete_item(TableName="saved", Key={"pk": {"S": "1"}})
    put(dynamodb, "saved", "late", 1)
    clock.settle()
    described = dynamodb.describe_backup(BackupArn=backup["BackupArn"])["BackupDescription"]
    assert described["BackupDetails"]["BackupStatus"] == "AVAILABLE"
    assert described["SourceTableDetails"]["ItemCount"] == 3
    assert [found["BackupName"] for found in dynamodb.list_backups(TableName="saved")["BackupSummaries"]] == ["first"]
    dynamodb.restore_table_from_backup(TargetTableName="restored", BackupArn=backup["BackupArn"])
    clock.settle()
    table = dynamodb.describe_table(TableName="restored")["Table"]
    assert (table["TableStatus"], table["ItemCount"], table["GlobalSecondaryIndexes"][0]["ItemCount"]) == ("ACTIVE", 3, 3)
    assert table["RestoreSummary"]["SourceBackupArn"] == backup["BackupArn"]
    assert items(dynamodb, "restored") == {"0": "0", "1": "1", "2": "2"}
    asked = {"KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": "g"}}}
    assert dynamodb.query(TableName="restored", IndexName="by-g", **asked)["Count"] == 3
    put(dynamodb, "restored", "0", 7)
    assert items(dynamodb, "saved") == {"0": "100", "2": "2", "late": "1"}
    assert (
        refusal(dynamodb.restore_table_from_backup, TargetTableName="restored", BackupArn=backup["BackupArn"])[0]
        == "TableAlreadyExistsException"
    )
    dynamodb.delete_table(TableName="saved")
    dynamodb.restore_table_from_backup(TargetTableName="saved", BackupArn=backup["BackupArn"])
    clock.settle()
    assert items(dynamodb, "saved") == {"0": "0", "1": "1", "2": "2"}
    assert dynamodb.delete_backup(BackupArn=backup["BackupArn"])["BackupDescription"]["BackupDetails"]["BackupStatus"] == "DELETED"
    assert refusal(dynamodb.describe_backup, BackupArn=backup["BackupArn"])[0] == "BackupNotFoundException"


def test_a_table_goes_back_to_any_moment(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("past", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    assert refusal(dynamodb.restore_table_to_point_in_time, SourceTableName="past", TargetTableName="early", UseLatestRestorableTime=True)[
        0
    ] == ("PointInTimeRecoveryUnavailableException")
    dynamodb.update_continuous_backups(TableName="past", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    moments = []
    for step in range(4):
        for at in range(step + 1):
            put(dynamodb, "past", str(at), step)
        if step == 2:
            dynamodb.delete_item(TableName="past", Key={"pk": {"S": "0"}})
        moments.append((clock.now_s(), items(dynamodb, "past")))
        clock.advance("1h")
    for number, (moment, wanted) in enumerate(moments):
        name = f"past-{number}"
        dynamodb.restore_table_to_point_in_time(
            SourceTableName="past", TargetTableName=name, RestoreDateTime=datetime.fromtimestamp(moment + 60, UTC)
        )
        clock.settle()
        assert items(dynamodb, name) == wanted
        asked = {"KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": "g"}}}
        assert dynamodb.query(TableName=name, IndexName="by-g", **asked)["Count"] == len(wanted)
    early = datetime.fromtimestamp(moments[0][0] - 3600, UTC)
    assert (
        refusal(dynamodb.restore_table_to_point_in_time, SourceTableName="past", TargetTableName="never", RestoreDateTime=early)[0]
        == "InvalidRestoreTimeException"
    )
    recovery = dynamodb.describe_continuous_backups(TableName="past")["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert (recovery["PointInTimeRecoveryStatus"], recovery["RecoveryPeriodInDays"]) == ("ENABLED", 35)
    assert refusal(dynamodb.describe_continuous_backups, TableName="nowhere") == ("TableNotFoundException", "Table not found: nowhere")


def test_a_backup_of_many_items_is_consistent_under_writes(dynamodb: Any, make_table: Any, clock: Any, ground: Any) -> None:
    make_table("busy", "pk")
    for start in range(0, 1200, 25):
        writes = [{"PutRequest": {"Item": {"pk": {"S": str(at)}, "v": {"N": "0"}}}} for at in range(start, start + 25)]
        dynamodb.batch_write_item(RequestItems={"busy": writes})
    backup = dynamodb.create_backup(TableName="busy", BackupName="busy-backup")["BackupDetails"]
    for at in range(0, 1200, 50):
        put(dynamodb, "busy", str(at), 1)
    clock.settle()
    dynamodb.restore_table_from_backup(TargetTableName="calm", BackupArn=backup["BackupArn"])
    clock.settle()
    assert set(items(dynamodb, "calm").values()) == {"0"}
    assert dynamodb.describe_table(TableName="calm")["Table"]["ItemCount"] == 1200


def test_contributor_insights_are_kept(dynamodb: Any, make_table: Any) -> None:
    make_table("insight", "pk")
    assert dynamodb.describe_contributor_insights(TableName="insight")["ContributorInsightsStatus"] == "DISABLED"
    dynamodb.update_contributor_insights(TableName="insight", ContributorInsightsAction="ENABLE")
    assert dynamodb.describe_contributor_insights(TableName="insight")["ContributorInsightsStatus"] == "ENABLED"
    assert [found["TableName"] for found in dynamodb.list_contributor_insights()["ContributorInsightsSummaries"]] == ["insight"]
