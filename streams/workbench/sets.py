"""Rule sets by the names that the workbench has for them: one on disk, the shipped one, those that are published."""

import hashlib
import re
import threading
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from schemas.errors import UserError
from scrubbers import drafts, rules
from scrubbers.published import PublishedRuleSet, source_files
from scrubbers.rulefiles import SourceFile
from streams.config import Settings
from streams.deployment import Deployment, Stage
from streams.files import write
from streams.reader import reachable
from streams.rule_topic import RuleTable, read_rules

Files = tuple[SourceFile, ...]
LONGEST = 2_000_000  # characters of a rule set's files: what fits on the rules topic
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.yaml")


class Origin(StrEnum):
    """Where a rule set comes from."""

    DISK = "disk"
    SHIPPED = "shipped"
    PUBLISHED = "published"


class Listed(msgspec.Struct, frozen=True):
    """A rule set that can be opened: `id` names it in requests; `stage` is the one that it is in now."""

    id: str
    origin: Origin
    identity: str
    stage: str = ""
    author: str = ""
    time: str = ""


class Opened(msgspec.Struct, frozen=True):
    """A rule set's files, and a stamp that says whether they have changed since."""

    id: str
    files: Files
    stamp: str


class Sets:
    """The rule sets that one workbench can open; `folder` is the file or folder on disk that it saves to."""

    def __init__(self, settings: Settings, folder: Path | None) -> None:
        self.settings = settings
        self.folder = folder
        self._saving = threading.Lock()

    def listed(self) -> list[Listed]:
        """All of them, the one on disk first; published ones only if Kafka answers, and has the rules topic."""
        own = [Listed(Origin.DISK, Origin.DISK, self._identity())] if self.folder is not None else []
        try:
            table = self.table()
        except UserError:  # rules are tuned all the same; the Publish view says what is missing
            table = RuleTable()
        deployment = table.deployment or Deployment("")
        stages = {digest: stage for stage, digest in deployment.stages()}
        newest_first = [
            Listed(each.digest, Origin.PUBLISHED, each.identity, stages.get(each.digest, ""), each.author, each.time)
            for each in reversed(table.published())
        ]
        started_with = Stage.ACTIVE if not deployment.active and not self.settings.rules else ""
        return [*own, *newest_first, Listed(Origin.SHIPPED, Origin.SHIPPED, rules.load().identity, started_with)]

    def open(self, name: str) -> Opened:
        """The files of a rule set.

        Raises:
            UserError: there is none of that name, or it cannot be read.
        """
        match name:
            case Origin.SHIPPED:
                return _opened(name, source_files(rules.SHIPPED))
            case Origin.DISK if self.folder is not None:
                return _opened(name, source_files(self.folder))
        found = next((each for each in self.table().published() if each.digest == name), None)
        if found is None:
            raise UserError("there is no such rule set any more", "load the list again")
        return _opened(name, _written(found))

    def save(self, files: Files, stamp: str) -> Opened:
        """Write a draft to disk: each file whole or not at all; files that the draft has no more are taken away.

        Raises:
            UserError: there is no place to save to, the files on disk are not those of the stamp, or not writable.
        """
        if self.folder is None:
            raise UserError("there is nowhere to save to", "start the workbench with --rules FOLDER, or publish")
        if not files:
            raise UserError("a rule set has at least one file")
        check_names(files)
        with self._saving:  # of two who opened the same files, one saves
            self._save(self.folder, files, stamp)
            return self.open(Origin.DISK)

    def table(self) -> RuleTable:
        """What is published; nothing if Kafka does not answer."""
        return read_rules(self.settings) if reachable(self.settings) else RuleTable()

    def _save(self, place: Path, files: Files, stamp: str) -> None:
        there = self.open(Origin.DISK)
        if there.stamp != stamp:
            raise UserError("the files have changed on disk since you opened them", "open them again, then redo yours")
        if place.is_dir():
            _save_folder(place, files, there.files)
        elif len(files) != 1:
            raise UserError(f"{place} is one file: this draft has {len(files)}", "put all rules in one file")
        else:
            write(place, files[0].text.encode())

    def _identity(self) -> str:
        try:
            return drafts.load(source_files(self.folder)).identity if self.folder is not None else ""
        except UserError:
            return "with errors"


def _save_folder(folder: Path, files: Files, before: Files) -> None:
    old = {each.name: each.text for each in before}
    for each in files:
        if old.get(each.name) != each.text:
            write(folder / each.name, each.text.encode())
    for name in old.keys() - {each.name for each in files}:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as problem:
            raise UserError(f"{folder / name}: cannot be taken away: {problem.strerror}") from None


def check_names(files: Sequence[SourceFile]) -> None:
    """Make sure that the files of a draft have names that a folder can hold, each once.

    Raises:
        UserError: they have not, or are too large.
    """
    names = [each.name for each in files]
    if not all(map(_FILE_NAME.fullmatch, names)):
        raise UserError("a rule file is called so: letters, digits, . _ - and .yaml at the end")
    if len(set(names)) < len(names):
        raise UserError("two files have the same name")
    if sum(len(each.text) for each in files) > LONGEST:
        raise UserError(f"the rule set is too large: more than {LONGEST} characters")


def _opened(name: str, files: Files) -> Opened:
    stamp = hashlib.sha256()
    for each in files:
        stamp.update(f"{each.name}\0{each.text}\0".encode())
    return Opened(name, files, stamp.hexdigest())


def _written(published: PublishedRuleSet) -> Files:
    """Its files as they were written; if they were not published with it, its content, as JSON is YAML too."""
    return published.source or (SourceFile("rule-set.yaml", bytes(published.content).decode()),)
