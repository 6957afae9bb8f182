"""`rmm-scrub reverse`: what it takes for a text and what for a file; nothing here needs Kafka."""

from pathlib import Path

import pytest

from schemas.errors import UserError
from streams.cli import console
from streams.cli.reverse import _text


@pytest.mark.parametrize("text", ["pc-abcdefghijkl", "x" * 600, "x" * 5_000, "a/" * 400, "line\nline", "", "\0", "/"])
def test_a_pasted_text_is_a_text_however_long(text: str) -> None:
    """Also one that is longer than a file's name may be, and a folder."""
    assert _text(text) == text


def test_the_name_of_a_file_stands_for_its_content(tmp_path: Path) -> None:
    """UTF-8, and nothing else."""
    file = tmp_path / "report.txt"
    file.write_text("größe\n", encoding="utf-8")
    assert _text(str(file)) == "größe\n"
    file.write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        _text(str(file))


@pytest.mark.parametrize("argument", ["\udcff", "abc\udc80"])
def test_an_argument_that_is_no_text_is_said_so(argument: str) -> None:
    """It could be neither recorded nor answered; nothing of it is in the error."""
    with pytest.raises(UserError, match=r"^the purpose is not UTF-8$"):
        console.utf8(argument, "the purpose")
