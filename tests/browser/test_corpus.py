"""Corpus and Compare: samples labelled by selecting text, what a draft misses, and what two sets find."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import TILL, Desk, a_file, box_of, hold, let_go, paste

TEXT = "😀 till_0447 and till_0448 from 10.20.1.2, said bob"
TILLS = [{"start": 2, "end": 11, "type": "COMPUTER_NAME"}, {"start": 16, "end": 25, "type": "COMPUTER_NAME"}]
ADDRESS = {"start": 31, "end": 40, "type": "IP_ADDRESS"}


@pytest.fixture
def corpus(desk: Desk) -> Iterator[Path]:
    """The corpus of the workbench, empty."""
    yield desk.corpus
    for each in desk.corpus.parent.glob(f"{desk.corpus.stem}*"):
        each.unlink()


def kept(corpus: Path) -> list[dict]:
    """The samples of a corpus."""
    return [orjson.loads(line) for line in corpus.read_bytes().splitlines()]


def labels(corpus: Path) -> list[tuple[str, str]]:
    """The labels of its only sample."""
    [case] = kept(corpus)
    return [(each["type"], case["text"][each["start"] : each["end"]]) for each in case["spans"]]


def write(corpus: Path, *spans: dict) -> None:
    """A corpus of one sample."""
    corpus.write_bytes(orjson.dumps({"id": 1, "text": TEXT, "spans": list(spans)}) + b"\n")


def run(page: Page) -> None:
    """The corpus under the draft and the shipped rules."""
    page.get_by_role("tab", name="Corpus").click()
    page.get_by_role("button", name="Run the draft").click()


def test_a_sample_is_labelled_with_the_mouse_and_by_keyboard(page: Page, corpus: Path) -> None:
    """Text selected and its type clicked, spaces around it left out; a value typed, wherever it stands; taken away."""
    paste(page, TEXT)
    page.get_by_role("button", name="Add to the corpus").click()
    shown, button = page.locator("pre.labelled"), page.get_by_role("button", name="PERSON", exact=True)
    expect(shown).to_have_text(TEXT)
    expect(button).to_be_disabled()
    box = box_of(page, "pre.labelled", " bob")
    page.mouse.move(box["left"] + 1, box["middle"])
    page.mouse.down()
    page.mouse.move(box["right"] + 2, box["middle"], steps=4)
    page.mouse.up()
    expect(button).to_be_enabled()
    button.click()
    expect(shown.locator("mark")).to_have_text(["bob"])
    assert labels(corpus) == [("PERSON", "bob")]

    page.get_by_label("a value").focus()
    page.keyboard.type("till_0448")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="COMPUTER_NAME", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(shown.locator("mark")).to_have_text(["till_0448", "bob"])
    expect(button).to_be_disabled()
    page.get_by_role("button", name="Take the label PERSON bob away").press("Enter")
    expect(shown.locator("mark")).to_have_text(["till_0448"])
    assert labels(corpus) == [("COMPUTER_NAME", "till_0448")]

    page.get_by_role("button", name="Accept what the draft finds").click()
    expect(shown.locator("mark")).to_have_text(["till_0448", "10.20.1.2"])
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("ul.samples")).to_contain_text("No samples yet")
    assert kept(corpus) == []


def test_what_is_late_takes_nobody_to_another_sample(page: Page, corpus: Path) -> None:
    """Accepting takes a while; who has gone on to the next sample stays there."""
    corpus.write_bytes(b"".join(orjson.dumps({"id": each, "text": f"{TEXT} {each}"}) + b"\n" for each in (1, 2)))
    page.get_by_role("tab", name="Corpus").click()
    samples = page.locator("ul.samples button")
    samples.nth(0).click()
    expect(page.get_by_role("heading", name="Sample 1")).to_be_visible()
    hold(page, "POST", "/api/corpus/samples/1/accept")
    page.get_by_role("button", name="Accept what the draft finds").click()
    samples.nth(1).click()
    expect(page.get_by_role("heading", name="Sample 2")).to_be_visible()
    let_go(page)
    expect(samples.nth(0)).to_contain_text("complete")
    expect(page.get_by_role("heading", name="Sample 2")).to_be_visible()


def test_recall_moves_with_the_draft_and_misses_come_first(page: Page, corpus: Path) -> None:
    """Against the shipped rules; from a miss one gets to its sample, and from there to trying it."""
    write(corpus, *TILLS, ADDRESS)
    a_file(page, "zz-till.yaml", TILL.replace(r"till_\d{4}", r"till_\d{3}7"))
    run(page)
    row = page.get_by_role("row", name="COMPUTER_NAME")
    expect(row).to_contain_text("0.0 % → 50.0 % ▲")
    expect(page.locator("#verdict")).to_contain_text("falls below the baseline")
    headings = page.get_by_label("Run", exact=True).locator("h3")
    expect(headings).to_have_text(["1 missed", "0 false alarms"])
    missed = page.locator("ul.mistakes").first
    expect(missed).to_contain_text("till_0448")
    missed.get_by_role("button", name="1").click()
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#before")).to_have_text(TEXT)
    page.get_by_label("Rule file zz-till.yaml").fill(TILL)
    run(page)
    expect(row).to_contain_text("0.0 % → 100.0 % ▲")
    expect(headings).to_have_text(["0 missed", "0 false alarms"])


def test_an_accepted_recall_is_what_later_drafts_are_held_to(page: Page, corpus: Path) -> None:
    """What was missed when it was accepted is forgiven; what is lost afterwards is not."""
    write(corpus, *TILLS, ADDRESS)
    run(page)
    expect(page.locator("#verdict")).to_contain_text("falls below the baseline")
    page.get_by_role("button", name="Accept as baseline").click()
    expect(page.locator("#verdict")).to_contain_text("holds the baseline")
    page.get_by_role("tab", name="Tune").click()
    page.get_by_role("button", name="addresses.yaml").click()
    page.get_by_role("button", name="Remove file …").click()
    run(page)
    expect(page.locator("#verdict")).to_contain_text("falls below the baseline")
    expect(page.get_by_role("row", name="IP_ADDRESS")).to_contain_text("100.0 % → 0.0 % ▼")
    expect(page.get_by_role("row", name="IP_ADDRESS")).to_contain_text("below the baseline")
    expect(page.locator("ul.mistakes").first.get_by_role("listitem").filter(has_text="new")).to_contain_text(
        "10.20.1.2"
    )


def test_what_only_one_of_two_sets_finds_is_outlined(page: Page, corpus: Path) -> None:
    """Side by side on the sample, then by rule in the sets and on the corpus."""
    write(corpus, *TILLS)
    a_file(page, "zz-till.yaml", TILL)
    paste(page, TEXT)
    page.get_by_role("tab", name="Compare").click()
    sides = page.locator(".pair pre")
    expect(sides.nth(1).locator("mark.alone")).to_have_text(["till_0447", "till_0448"])
    expect(sides.nth(0).locator("mark")).to_have_text(["10.20.1.2"])
    expect(page.locator("mark.alone")).to_have_count(2)
    assert sides.nth(1).locator("mark.alone").first.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    expect(page.locator(".pair h3")).to_have_text(["rmm-default@1.0.0 · shipped", "the draft"])
    page.get_by_label("also on the corpus").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("region", name="What differs in the rules")).to_contain_text("till")
    expect(page.get_by_role("region", name="What changes in the corpus")).to_contain_text("1: …")
    expect(page.get_by_text("Findings change in 1 of 1 samples")).to_be_visible()
