"""Which tests run where nobody says: all but the slow ones."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from tests import conftest


@pytest.mark.parametrize(
    ("expression", "left"),
    [
        ("", ["quick"]),
        ("not hypothesis", ["quick"]),
        ("slower", ["quick"]),
        ("slow", ["quick", "slow"]),  # of which pytest's own -m then takes the slow one
        ("slow or not slow", ["quick", "slow"]),
    ],
)
def test_slow_tests_are_left_out_unless_m_names_them(expression: str, left: list[str]) -> None:
    """An -m that does not speak of slow tests brings none back, and one that does decides."""
    items = [Mock(pytest.Item), Mock(pytest.Item)]
    for item, name in zip(items, ("quick", "slow"), strict=True):
        item.configure_mock(name=name, **{"get_closest_marker.side_effect": lambda mark, name=name: mark == name})
    config = Mock()
    config.option.markexpr = expression

    conftest.pytest_collection_modifyitems(config, items)

    assert [item.name for item in items] == left
    assert [item.name for item in items if item.add_marker.called] == left[1:]  # a slow test may take longer
    assert config.hook.pytest_deselected.called == ("slow" not in left)
