"""Lists of disks from a file: what is read of them, and that nothing of one is passed over."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from safe_reinit.errors import UsageError
from safe_reinit.planning.discover import _MAX_LINES, read_ids


def test_a_list_has_one_id_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank lines and comments say nothing, in a file as on stdin."""
    text = "# the lab\nd-1\n\n  d-2  # the second\r\nd-3"
    (tmp_path / "disks").write_text(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))

    assert read_ids(str(tmp_path / "disks")) == read_ids("-") == ["d-1", "d-2", "d-3"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# nothing\n\n", "names no disk"),
        (b"d-\xff\n", "cannot be read as UTF-8"),
        (b"d-1\n" * (_MAX_LINES + 1), "more than 100,000 lines"),
    ],
    ids=["empty", "not text", "too long"],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A list that cannot be read whole is refused, and never cut: nobody would know which disks were left out."""
    (tmp_path / "disks").write_bytes(content)

    with pytest.raises(UsageError, match=message):
        read_ids(str(tmp_path / "disks"))
    with pytest.raises(UsageError, match="cannot be read"):
        read_ids(str(tmp_path / "nowhere"))
