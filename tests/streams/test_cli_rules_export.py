"""`rmm-scrub rules export`: the shipped set as a start."""

from pathlib import Path

import pytest

from scrubbers import rules
from streams.cli import main


def test_a_copy_is_the_shipped_set(tmp_path: Path) -> None:
    """In a new folder, with its comments."""
    assert main(["rules", "export", str(tmp_path / "mine")]) == 0
    assert rules.load(tmp_path / "mine").digest() == rules.load().digest()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Somebody's rules may be in it."""
    assert main(["rules", "export", str(tmp_path)]) == 1
    assert "is there already" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
