"""The workbench in Debian's chromium, as its users start it: for tests, and for what measures it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from scrubbers.published import source_files
from scrubbers.rules import SHIPPED
from streams import broker
from streams.system import end_with_parent

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
NO_KAFKA = {"RMM_SCRUB_BOOTSTRAP": "127.0.0.1:1"}
SECONDS = 45.0  # for what a page will do, on a machine that does much else; nothing here is a measurement
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (409|422) ")

# A rule that the shipped set has not.
TILL = r"""
recognizers:
  - name: till
    supported_entity: COMPUTER_NAME
    patterns:
      - {name: till and number, regex: '\btill_\d{4}\b', score: 0.8}
    examples: ['on «till_0447»']
"""


class Desk(msgspec.Struct, frozen=True):
    """A running workbench: where it is, its session in the browser, and what it was started with."""

    origin: str
    session: BrowserContext
    rules: Path
    corpus: Path


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; while Playwright is at work, no other event loop can run in this thread."""
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def serving(browser: Browser, folder: Path, environment: Mapping[str, str] = NO_KAFKA) -> Iterator[Desk]:
    """`rmm-scrub workbench` with a copy of the shipped rules and no corpus yet; somebody is signed in."""
    rules, corpus = folder / "rules", folder / "team.ndjson"
    rules.mkdir()
    for each in source_files(SHIPPED):
        (rules / each.name).write_text(each.text)
    [port] = broker.free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "workbench", "--rules", rules, "--corpus", corpus, "--port", str(port)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=end_with_parent,
    )
    try:
        link = process.stdout.readline().strip()
        session = browser.new_context()
        session.new_page().goto(link)
        yield Desk(f"http://127.0.0.1:{port}", session, rules, corpus)
        session.close()
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def visiting(browser: Browser, desk: Desk, **options: object) -> Iterator[Page]:
    """The workbench in a window of its own of whoever is signed in; asked whether they are sure, they are.

    Fails if the page asks anybody else for anything, breaks its Content-Security-Policy, or writes an error to the
    console but for a refusal by its own API, which is an answer.
    """
    context = browser.new_context(storage_state=desk.session.storage_state(), **options)
    wrong: list[str] = []
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda said: wrong.append(f"{said.type}: {said.text}") if _is_wrong(said) else None)
    page.on("request", lambda sent: None if sent.url.startswith(f"{desk.origin}/") else wrong.append(sent.url))
    page.goto(desk.origin)
    expect(page.locator("#identity")).not_to_be_empty()
    yield page
    context.close()
    assert wrong == [], wrong


def paste(page: Page, text: str) -> None:
    """A sample, as by Ctrl-V."""
    page.get_by_label("Sample: an event or a text").fill(text)


def a_file(page: Page, name: str, text: str = "") -> None:
    """A new file of the draft, with the caret in it."""
    page.evaluate("name => { window.prompt = () => name; }", name)
    page.get_by_role("button", name="New file …").click()
    editor = page.get_by_label(f"Rule file {name}")
    expect(editor).to_be_focused()
    if text:
        editor.fill(text)


def hold(page: Page, method: str, place: str) -> None:
    """The page's requests of a kind wait for `let_go`."""
    page.evaluate(_HOLD, [method, place])


def let_go(page: Page) -> None:
    """Those that wait go on; when it returns they are answered."""
    page.evaluate("window.letGo()")


def chosen_line(page: Page) -> int:
    """The line that the caret of the focused text is in, from 1."""
    return page.evaluate("(at => at.value.slice(0, at.selectionStart).split('\\n').length)(document.activeElement)")


def box_of(page: Page, shown: str, text: str) -> dict[str, float]:
    """Where the first such text stands in what is shown: left, right and middle, in pixels of the window."""
    return page.locator(shown).evaluate(_BOX, text)


def _is_wrong(said: object) -> bool:
    return said.type in ("error", "warning") and not _REFUSED.match(said.text)


_HOLD = """([method, place]) => {
  const [fetch, held] = [window.fetch, []];
  const gate = new Promise((open) => {
    window.letGo = async () => {
      open();
      await Promise.allSettled(held);
      await new Promise((done) => setTimeout(done, 50)); // for what the page makes of it
    };
  });
  window.fetch = (asked, options) => {
    if (asked !== place || options.method !== method) return fetch(asked, options);
    const answer = gate.then(() => fetch(asked, options));
    held.push(answer);
    return answer;
  };
}"""
_BOX = """(shown, text) => {
  const nodes = document.createTreeWalker(shown, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode() && !nodes.currentNode.data.includes(text));
  const range = document.createRange();
  const start = nodes.currentNode.data.indexOf(text);
  range.setStart(nodes.currentNode, start);
  range.setEnd(nodes.currentNode, start + text.length);
  const { left, right, top, height } = range.getBoundingClientRect();
  return { left, right, middle: top + height / 2 };
}"""
