"""ECS's bodies read field by field: what is unset stays unset, and what is of another type is not believed."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.cloud.aliyun import shapes
from safe_reinit.cloud.aliyun.row import Row, UnreadableAnswerError
from safe_reinit.cloud.interface import Unanswered
from tests.conftest import Connect, Serve
from tests.servers import answer

DISK = {"DiskId": "d-1", "Type": "data", "Status": "In_use", "Size": 40}
INSTANCE = {"InstanceId": "i-1", "Status": "Running"}
SNAPSHOT = {"SnapshotId": "s-1", "Status": "accomplished"}
IMAGE = {"ImageId": "m-1", "Status": "Available"}


@pytest.mark.parametrize("unset", [None, ""])
@pytest.mark.parametrize(
    "name", ["InstanceId", "Device", "ExpiredTime", "Encrypted", "MountInstanceNum", "KMSKeyId", "AttachedTime"]
)
def test_unset_fields_are_unset(name: str, unset: str | None) -> None:
    """A field that is absent, null or empty reads the same: as unset."""
    absent = shapes.disk(Row(DISK))

    assert shapes.disk(Row({**DISK, name: unset})) == absent


@pytest.mark.parametrize("name", ["Attachments", "OperationLocks", "Tags"])
@pytest.mark.parametrize("empty", [None, {}], ids=["null", "empty"])
def test_empty_lists_are_empty(name: str, empty: Any) -> None:
    """A list of ECS that is null, or an object without its inner list, has no items."""
    inner = {"Attachments": "Attachment", "OperationLocks": "OperationLock", "Tags": "Tag"}[name]

    for value in (empty, {inner: []}, {inner: None}):
        read = shapes.disk(Row({**DISK, name: value}))
        assert (read.attachments, read.locks, read.tags) == ((), (), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DiskId", None), ("DiskId", ""), ("DiskId", 7), ("Status", None), ("Status", ["In_use"]), ("Type", None),
        ("Size", None), ("Size", "forty"), ("Size", 40.5), ("Size", True), ("Size", [40]), ("InstanceId", {"a": 1}),
        ("Encrypted", "perhaps"), ("Encrypted", 1), ("AttachedTime", "yesterday"), ("AttachedTime", 1700000000),
        ("AttachedTime", "2026-02-30T00:00:00Z"), ("AttachedTime", "2026-01-02T03:04:05+08:00"),
        ("Attachments", "i-1"), ("Attachments", {"Attachment": {"InstanceId": "i-1"}}),
        ("Attachments", {"Attachment": ["i-1"]}), ("Attachments", {"Attachment": [None]}),
        ("OperationLocks", {"OperationLock": "security"}), ("Tags", [{"TagKey": "a"}]),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_not_believed(gateway: Connect, serve: Serve, name: str, value: Any) -> None:
    """A row with one field of another type counts as not seen, and the rows beside it are shown."""
    body = {"RequestId": "REQ-1", "Disks": {"Disk": [{**DISK, name: value}, {**DISK, "DiskId": "d-2"}]}}
    reading = gateway(serve(answer(200, body)).url).cloud.describe_disks(["d-1", "d-2"])

    assert [disk.disk_id for disk in reading.items] == ["d-2"]
    assert [row.subject for row in reading.unreadable] == ["" if name == "DiskId" else "d-1"]
    assert reading.unreadable[0].field.startswith(name)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({**DISK, "Size": None}, "the row of d-1 cannot be read: Size is null"),
        ({**DISK, "Size": float("nan")}, "the row of d-1 cannot be read: Size is NaN"),
        ({**DISK, "Size": 1e999}, "the row of d-1 cannot be read: Size is Infinity"),
        ({**DISK, "Size": -1}, "the row of d-1 cannot be read: Size is -1"),
        ({**DISK, "Size": 40.0}, "the row of d-1 cannot be read: Size is 40.0"),
        ({**DISK, "Size": "x" * 33}, "the row of d-1 cannot be read: Size is a text of 33 characters"),
        ({**DISK, "Size": 10**40}, "the row of d-1 cannot be read: Size is a number of 41 characters"),
        ({**DISK, "Size": [40]}, "the row of d-1 cannot be read: Size is a list"),
        ({**DISK, "DiskId": 7}, "the row of something unnamed cannot be read: DiskId is 7"),
        (
            {**DISK, "Attachments": {"Attachment": [{"AttachedTime": "soon\x1b"}]}},
            'the row of d-1 cannot be read: Attachments.Attachment.AttachedTime is "soon\\u001b"',
        ),
        ("d-1", 'the row of something unnamed cannot be read: the row is "d-1"'),
    ],
)
def test_what_cannot_be_read_is_named(row: Any, why: str) -> None:
    """A row that cannot be read is named with its id, the field and what was in it, at a length that fits a line."""
    _, (unreadable,) = shapes.rows("DescribeDisks", [row], shapes.disk)

    assert unreadable.why == why


def test_what_is_shown_in_two_ways_is_not_seen(gateway: Connect, serve: Serve) -> None:
    """Where ECS shows a disk twice, and one of the rows cannot be read, the disk is not seen."""
    body = {"RequestId": "REQ-1", "Disks": {"Disk": [DISK, {**DISK, "Size": None}]}}
    reading = gateway(serve(answer(200, body)).url).cloud.describe_disks(["d-1"])

    assert reading.items == ()
    assert [row.subject for row in reading.unreadable] == ["d-1"]


@pytest.mark.parametrize(
    "size",
    [
        pytest.param("9" * 5000, id="too-long-a-number"),
        pytest.param(-5, id="less-than-nothing"),
    ],
)
def test_a_number_that_cannot_be_is_not_believed(gateway: Connect, serve: Serve, size: Any) -> None:
    """A size that no disk can have is not believed, and never becomes another kind of exception."""
    body = {"RequestId": "REQ-1", "Disks": {"Disk": [{**DISK, "Size": size}]}}
    reading = gateway(serve(answer(200, body)).url).cloud.describe_disks(["d-1"])

    assert (reading.items, len(reading.unreadable)) == ((), 1)


@pytest.mark.parametrize("disks", [None, [], "", {"Disk": "d-1"}, {"Disk": {}}])
def test_a_body_without_its_list_is_not_taken_for_an_empty_one(gateway: Connect, serve: Serve, disks: Any) -> None:
    """An answer that lacks the list it always has is not an empty answer."""
    to = gateway(serve(answer(200, {"RequestId": "REQ-1", "Disks": disks})).url)

    with pytest.raises(Unanswered):
        to.cloud.describe_disks(["d-1"])


def test_numbers_may_be_texts() -> None:
    """ECS sends some whole numbers as texts; they read the same."""
    assert shapes.disk(Row({**DISK, "Size": "40"})) == shapes.disk(Row(DISK))


@pytest.mark.parametrize("text", ["2026-01-02T03:04Z", "2026-01-02T03:04:00Z", "2026-01-02T0304Z"])
def test_times_have_three_forms(text: str) -> None:
    """The documented forms of a time read as the same moment, in UTC."""
    read = shapes.disk(Row({**DISK, "AttachedTime": text})).attached_time

    assert read is not None
    assert read.isoformat() == "2026-01-02T03:04:00+00:00"


def test_a_lock_without_a_reason_is_a_lock() -> None:
    """A lock whose reason is not told still locks the disk and the instance."""
    locks = [{"LockReason": None}, {"LockReason": "financial"}]

    assert shapes.disk(Row({**DISK, "OperationLocks": {"OperationLock": locks}})).locks == (
        "without a reason",
        "financial",
    )
    assert shapes.instance(Row({**INSTANCE, "OperationLocks": {"LockReason": [{}]}})).locks == ("without a reason",)


def test_several_attachments_are_all_read() -> None:
    """Each attachment of a multi-attach disk is read with its instance, device and time."""
    rows = [{"InstanceId": "i-1", "Device": "/dev/xvdb"}, {"InstanceId": "i-2", "AttachedTime": "2026-01-02T03:04:05Z"}]

    read = shapes.disk(Row({**DISK, "Attachments": {"Attachment": rows}, "MultiAttach": "Enabled"}))

    assert [(each.instance_id, each.device, each.attached_time is None) for each in read.attachments] == [
        ("i-1", "/dev/xvdb", True),
        ("i-2", "", False),
    ]


def test_the_least_rows_read() -> None:
    """A row with only what ECS always gives reads, with everything else unset."""
    assert shapes.instance(Row(INSTANCE)).start_time is None
    assert shapes.snapshot(Row(SNAPSHOT)).instant_access_retention_days is None
    assert shapes.image(Row(IMAGE)).io_optimized is None
    assert shapes.snapshot_link(Row({"SourceDiskId": "d-1"})).total_count == 0
    assert shapes.image(Row(IMAGE)).cloud_init is shapes.image(Row(IMAGE)).login_as_non_root is None
    assert shapes.instance(Row(INSTANCE)).capacity_reservation_id == ""
    assert not shapes.instance(Row(INSTANCE)).login_as_non_root


@pytest.mark.parametrize(
    ("days", "read"), [(None, None), ("", None), (-1, None), ("-1", None), (0, 0), (30, 30), ("65536", 65536)]
)
def test_a_snapshot_that_is_kept_until_it_is_deleted_has_no_days(days: Any, read: int | None) -> None:
    """-1 is a way of ECS to say that nothing is released by itself, and no reason to disbelieve the list."""
    assert shapes.snapshot(Row({**SNAPSHOT, "RetentionDays": days})).retention_days == read


def test_what_the_start_of_an_instance_and_its_login_depend_on_is_read() -> None:
    """The reservation and the login of an instance, and what its image supports, are read where ECS shows them."""
    instance = {
        "EcsCapacityReservationAttr": {"CapacityReservationId": "crp-1", "CapacityReservationPreference": "target"},
        "ImageOptions": {"LoginAsNonRoot": True},
        "LocalStorageAmount": 2,
    }
    read = shapes.instance(Row({**INSTANCE, **instance}))
    image = shapes.image(Row({**IMAGE, "IsSupportCloudinit": False, "LoginAsNonRootSupported": "false"}))

    assert (read.capacity_reservation_id, read.login_as_non_root, read.local_storage_amount) == ("crp-1", True, 2)
    assert (image.cloud_init, image.login_as_non_root) == (False, False)


@pytest.mark.parametrize(
    ("shape", "row", "name", "value"),
    [
        (shapes.instance, INSTANCE, "Status", None), (shapes.instance, INSTANCE, "IoOptimized", "often"),
        (shapes.instance, INSTANCE, "PublicIpAddress", {"IpAddress": [1]}),
        (shapes.instance, INSTANCE, "EipAddress", "1.2.3.4"), (shapes.instance, INSTANCE, "StartTime", "now"),
        (shapes.instance, INSTANCE, "ImageOptions", "x"), (shapes.instance, INSTANCE, "EcsCapacityReservationAttr", 1),
        (shapes.snapshot, SNAPSHOT, "RetentionDays", -2), (shapes.snapshot, SNAPSHOT, "RetentionDays", "for ever"),
        (shapes.snapshot, SNAPSHOT, "Status", ""), (shapes.snapshot, SNAPSHOT, "InstantAccessRetentionDays", "x"),
        (shapes.image, IMAGE, "ImageId", None), (shapes.image, IMAGE, "IsPublic", "so so"),
        (shapes.snapshot_link, {"SourceDiskId": "d-1"}, "SourceDiskId", ""),
    ],
)  # fmt: skip
def test_wrong_rows_of_every_kind_are_not_read(shape: Any, row: dict[str, Any], name: str, value: Any) -> None:
    """Instances, snapshots, images and links are checked field by field as disks are."""
    with pytest.raises(UnreadableAnswerError):
        shape(Row({**row, name: value}))
