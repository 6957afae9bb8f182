"""How long after a keystroke in a rule what it finds is on the screen: a 2 KB event, the shipped rules, chromium."""

import tempfile
from pathlib import Path

import orjson
from playwright.sync_api import Page, expect

from streams.demo.estate import build
from streams.demo.events import generate
from tests.browser.desk import a_file, chromium, paste, serving, visiting

KEYSTROKES = 100
EVENTS = 40  # of which it takes what fits
BYTES = 2_048
VALUE = "till_0447"
# Without the last digit the rule finds nothing.
RULE = r"""recognizers:
  - name: till
    supported_entity: COMPUTER_NAME
    patterns:
      - {name: till and number, score: 0.8, regex: '\btill_044"""
END = r"""\b'}
    examples: ['on «till_0447»']
"""
# The time of the next keystroke, and of the frame in which its outcome is on the screen.
OBSERVE = """found => {
  const before = document.getElementById("before");
  const is = () => [...before.querySelectorAll("mark")].some((each) => each.textContent === "till_0447") === found;
  window.took = new Promise((done) => {
    addEventListener("keydown", (event) => {
      const observer = new MutationObserver(() => {
        if (!is()) return;
        observer.disconnect();
        const trial = parseInt(document.getElementById("took").textContent.slice(2));
        requestAnimationFrame(() => done([performance.now() - event.timeStamp, trial]));
      });
      observer.observe(before, { childList: true });
    }, { capture: true, once: true });
  });
}"""


def measure() -> dict[str, float]:
    """Milliseconds from keystroke to screen; `trial_median_ms` of them are the workbench's own work."""
    event = _event()
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium() as browser,
        serving(browser, Path(folder)) as desk,
        visiting(browser, desk, viewport={"width": 1280, "height": 900}) as page,
    ):
        paste(page, event)
        _open(page)
        times = [_keystroke(page, found=number % 2 == 0) for number in range(KEYSTROKES)]
    shown, trials = (sorted(each) for each in zip(*times, strict=True))
    return {
        "event_bytes": len(event),
        "keystrokes": KEYSTROKES,
        "median_ms": shown[KEYSTROKES // 2],
        "p95_ms": shown[int(KEYSTROKES * 0.95)],
        "trial_median_ms": trials[KEYSTROKES // 2],
    }


def _event() -> str:
    """Generated events as one, as many as fit."""
    event = {"tenant": "acme", "message": f"{VALUE} is closed", "events": []}
    for each in generate(build(), EVENTS):
        longer = {**event, "events": [*event["events"], each.value.decode()]}
        if len(orjson.dumps(longer)) <= BYTES:
            event = longer
    return orjson.dumps(event).decode()


def _open(page: Page) -> None:
    """The rule, with the caret where the digit is missing; once seen at work, so that nothing is measured cold."""
    a_file(page, "zz-bench.yaml", f"{RULE}7{END}")
    expect(page.locator("#before mark", has_text=VALUE)).to_be_visible()
    editor = page.get_by_label("Rule file zz-bench.yaml")
    editor.evaluate("(area, at) => area.setSelectionRange(at, at)", len(RULE) + 1)
    page.keyboard.press("Backspace")
    expect(page.locator("#before mark", has_text=VALUE)).to_have_count(0)


def _keystroke(page: Page, *, found: bool) -> tuple[float, float]:
    """Type the digit, or take it away."""
    page.evaluate(OBSERVE, found)
    page.keyboard.press("7" if found else "Backspace")
    shown, trial = page.evaluate("window.took")
    return shown, trial


if __name__ == "__main__":
    print(orjson.dumps({"workbench": measure()}).decode())
