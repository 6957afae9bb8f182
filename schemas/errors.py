"""The one error that a user sees, and what decoding of bytes from elsewhere may raise."""

import msgspec

# msgspec's own error, and two that it lets through: of a string that is not UTF-8, and of a value nested too deep.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class UserError(Exception):
    """Something a user can mend.

    The message is one line that names what is wrong and where (a file and line, a topic, a JSON
    Pointer), never a value taken from input. `hints` say what to do about it.
    """

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.hints = hints
