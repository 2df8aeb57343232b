"""Let the assertions of the helpers show their values."""

import pytest

pytest.register_assert_rewrite("tests.checks.tools")
