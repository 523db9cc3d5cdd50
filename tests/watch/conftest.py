"""A place where logs land."""

from __future__ import annotations

import pytest


@pytest.fixture
def place(tmp_path):
    (tmp_path / "logs").mkdir()
    return tmp_path
