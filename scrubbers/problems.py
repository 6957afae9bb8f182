"""What lint finds: a problem, how bad, where it stands, and how to mend it."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from scrubbers.rulefiles import Flaw, Place, RuleFile

KINDS = ("recognizers", "fields", "allow")  # whose rules have names


class Severity(StrEnum):
    """An error makes a rule set unfit; a warning is worth a look."""

    ERROR = "error"
    WARNING = "warning"


class Check(StrEnum):
    """Which check found it."""

    FORMAT = "format"
    SLOW = "slow"
    EVERYWHERE = "everywhere"
    OPERATOR = "operator"
    UNREACHABLE = "unreachable"
    SHADOWED = "shadowed"
    DUPLICATE = "duplicate"
    ALLOWS_ALL = "allows-all"
    UNMATCHED = "unmatched"
    EXAMPLES = "examples"
    BROKEN_EXAMPLE = "broken-example"


class Problem(msgspec.Struct, frozen=True):
    """One problem at a line of a rule file; line 0: of the file or set as a whole. `rule` is empty for those."""

    file: str
    line: int
    severity: Severity
    check: Check
    rule: str
    what: str
    mend: str

    def __str__(self) -> str:
        """As compilers write it, so that editors can jump there."""
        rule = f"{self.rule}: " if self.rule else ""
        return str(Flaw(self.file, self.line, f"{self.severity}: {rule}{self.what}"))


class Places:
    """Where the rules of a rule set stand."""

    def __init__(self, files: Sequence[RuleFile]) -> None:
        self._files = files
        self._rules = {
            rule["name"]: (file, (kind, index))
            for file in files
            for kind in KINDS
            for index, rule in enumerate(file.tree.get(kind, ()))
        }

    def of_rule(self, name: str, *inside: str | int) -> tuple[str, int]:
        """(file, line) of a rule, or of what stands inside it; of one that is in no file ("", 0)."""
        if name not in self._rules:
            return "", 0
        file, place = self._rules[name]
        return str(file.path), file.line((*place, *inside))

    def of_setting(self, *place: str) -> tuple[str, int]:
        """(file, line) of a setting such as `operators.PERSON`: the last file that has it counts."""
        for file in reversed(self._files):
            if _has(file, place):
                return str(file.path), file.line(place)
        return str(self._files[0].path), 1


class Reporter:
    """Makes problems of one check at the places of a rule set."""

    def __init__(self, places: Places, check: Check, severity: Severity) -> None:
        self._places = places
        self._check = check
        self._severity = severity

    def rule(self, name: str, inside: Place, what: str, mend: str) -> Problem:
        """A problem of a rule."""
        return Problem(*self._places.of_rule(name, *inside), self._severity, self._check, name, what, mend)

    def setting(self, place: Sequence[str], what: str, mend: str) -> Problem:
        """A problem of a setting."""
        return Problem(*self._places.of_setting(*place), self._severity, self._check, "", what, mend)


def from_flaws(flaws: Sequence[Flaw]) -> Iterator[Problem]:
    """The flaws for which a rule set could not be loaded."""
    for flaw in flaws:
        mend = "docs/rules.md describes the format"
        if "not a regular expression" in flaw.what:
            mend = "mend the expression; in single quotes YAML leaves a backslash as it is"
        yield Problem(flaw.file, flaw.line, Severity.ERROR, Check.FORMAT, "", flaw.what, mend)


def _has(file: RuleFile, place: Sequence[str]) -> bool:
    tree = file.tree
    for step in place:
        if not isinstance(tree, dict) or step not in tree:
            return False
        tree = tree[step]
    return True
