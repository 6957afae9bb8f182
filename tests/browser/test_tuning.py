"""Tune: a sample before and after, rules that are edited while one looks, problems at their lines."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.desk import TILL, Desk, a_file, box_of, chosen_line, hold, let_go, paste, serving, visiting

EVENT = '{"tenant":"acme","host":{"name":"UTICA"},"message":"UTICA, j.smith@contoso.com from 10.20.1.2, till_0447 😀 10.20.1.3"}'
TYPED = (  # where the editor does not indent
    "  - name: till",
    "supported_entity: COMPUTER_NAME",
    "patterns:",
    r"  - {name: till and number, regex: '\btill_\d{4}\b', score: 0.8}",
)
UNBOUND = TILL.replace(r"\btill_\d{4}\b", "(?:a|aa)+b(?!cd)").replace("['on «till_0447»']", "[]")
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> at 10.20.1.2'


def texts(page: Page, shown: str) -> list[tuple[str, str]]:
    """The marks of Before or After: type and text."""
    found = page.locator(f"#{shown} mark")
    return found.evaluate_all("all => all.map((each) => [each.className.trim(), each.textContent])")


def test_a_pasted_event_is_seen_before_and_after(page: Page) -> None:
    """Spans by type, in place behind an emoji too; pseudonyms where they were, the same for the same value."""
    paste(page, EVENT)
    expect(page.locator("#before")).to_have_text(EVENT)
    before, after = texts(page, "before"), texts(page, "after")

    assert before == [
        ["COMPUTER_NAME", "UTICA"],
        ["COMPUTER_NAME", "UTICA"],
        ["EMAIL_ADDRESS", "j.smith@contoso.com"],
        ["IP_ADDRESS", "10.20.1.2"],
        ["IP_ADDRESS", "10.20.1.3"],
    ]
    assert [kind for kind, _ in after] == [kind for kind, _ in before]
    assert after[0] == after[1]
    assert not {text for _, text in before} & {text for _, text in after}
    grounds = page.locator("#before mark").evaluate_all(
        "all => all.map((each) => getComputedStyle(each).backgroundColor)"
    )
    assert len(set(grounds)) == 3
    expect(page.locator("#after")).not_to_contain_text(re.compile("UTICA|contoso|10.20"))


def test_a_mark_says_its_rule_and_score_under_the_pointer_and_with_the_keyboard(page: Page) -> None:
    """Until Escape; the pointer may go on to what it says."""
    paste(page, EVENT)
    tip, mail = page.locator("#tip"), page.locator("#before mark", has_text="j.smith")
    mail.hover()
    expect(tip).to_contain_text("EMAIL_ADDRESS score 0.90")
    expect(tip).to_contain_text("e-mail, user at a domain")
    tip.hover()
    page.wait_for_timeout(400)
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()

    page.locator("#before").focus()
    page.mouse.move(0, 0)
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(mail).to_be_focused()
    expect(tip).to_contain_text("score 0.90")
    page.keyboard.press("Tab")
    expect(tip).to_contain_text("IP_ADDRESS")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_a_rule_that_is_typed_finds_at_once(page: Page) -> None:
    """Letter by letter, without a reload; the editor indents."""
    paste(page, EVENT)
    page.evaluate("window.here = true")
    a_file(page, "zz-till.yaml")
    for line in TYPED:
        page.keyboard.type(line)
        page.keyboard.press("Enter")
    page.keyboard.press("Backspace")
    page.keyboard.type("examples: ['on «till_0447»']")

    expect(page.get_by_label("Rule file zz-till.yaml")).to_have_value(TILL.strip())
    expect(page.locator("#before mark", has_text="till_0447")).to_have_class(re.compile("COMPUTER_NAME"))
    expect(page.locator("#took")).to_have_text(re.compile(r"· \d+ ms"))
    expect(page.locator("#problems-title")).to_have_text("No problems")
    assert page.evaluate("window.here")


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (TILL.replace(r"\d{4}\b", r"(\d{4}\b"), 6, "not a regular expression"),
        (f"{TILL}    wrong: 1\n", 8, "is not a known member"),
        (UNBOUND, 6, "backtracks without bound"),
        (TILL.replace("on «till_0447»", "on «till»"), 7, ""),
        ("recognizers:\n  - [\n", 3, ""),
    ],
    ids=["a broken expression", "the schema", "backtracking", "an example", "no YAML"],
)
def test_a_problem_is_told_at_its_line_and_in_the_list(page: Page, text: str, line: int, told: str) -> None:
    """From the list one gets to the line."""
    a_file(page, "zz-till.yaml", text)
    listed = page.locator("ul.problems li.error")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text(told)
    expect(page.locator(".gutter .error")).to_have_text(f"✖ {line}")
    expect(page.locator(".line.error .problem")).to_contain_text(told)
    page.get_by_role("button", name="users.yaml", exact=True).click()
    listed.get_by_role("button", name=f"zz-till.yaml:{line}").click()

    expect(page.get_by_label("Rule file zz-till.yaml")).to_be_focused()
    assert chosen_line(page) == line


def test_what_cannot_be_tried_shows_no_findings_of_another_text(page: Page) -> None:
    """Rules with an error, then a new sample; mended, it is tried."""
    a_file(page, "zz-till.yaml", f"{TILL}    wrong: 1\n")
    expect(page.locator("#identity")).to_have_text("with errors")
    paste(page, EVENT)
    expect(page.locator("#before")).to_have_text(EVENT)
    expect(page.locator("#before mark")).to_have_count(0)
    expect(page.locator("#after")).to_be_empty()
    page.get_by_label("Rule file zz-till.yaml").fill(TILL)
    expect(page.locator("#before mark")).to_have_count(6)


def test_a_field_rule_is_made_by_pointing_at_a_value(page: Page) -> None:
    """What stands in that field is found from then on."""
    paste(page, '{"tenant":"acme","site":{"till":"front desk"}}')
    expect(page.locator("#before")).to_contain_text("front desk")
    box = box_of(page, "#before", "front desk")
    page.mouse.click(box["left"] + 10, box["middle"])
    page.get_by_role("button", name="Add field rule **.site.till").click()
    expect(page.locator("#before mark", has_text="front desk")).to_have_class(re.compile("COMPUTER_NAME"))


def test_rules_are_saved_to_disk_and_reverted(page: Page, desk: Desk) -> None:
    """The files on disk are what the editor shows; Revert takes back what was not saved."""
    a_file(page, "zz-saved.yaml", TILL)
    page.get_by_role("button", name="Save to disk").click()
    expect(page.locator("#said")).to_contain_text("Saved to")
    assert (desk.rules / "zz-saved.yaml").read_text() == TILL
    page.get_by_label("Rule file zz-saved.yaml").fill("recognizers: []\n")
    page.get_by_role("button", name="Revert").click()
    expect(page.get_by_label("Rule file")).not_to_have_value("recognizers: []\n")
    page.get_by_role("button", name="zz-saved.yaml", exact=True).click()
    page.get_by_role("button", name="Remove file …").click()
    page.get_by_role("button", name="Save to disk").click()
    expect(page.get_by_role("button", name="Save to disk")).to_be_disabled()
    assert not (desk.rules / "zz-saved.yaml").exists()


def test_what_is_typed_while_the_rules_are_saved_is_kept(page: Page, desk: Desk) -> None:
    """It is a change to what was saved; and one stays in the file that one is in."""
    page.get_by_role("button", name="addresses.yaml", exact=True).click()
    rules = page.get_by_label("Rule file addresses.yaml")
    saved = f"{rules.input_value()}# saved\n"
    rules.fill(saved)
    hold(page, "PUT", "/api/sets/disk")
    page.get_by_role("button", name="Save to disk").click()
    rules.fill(f"{saved}# typed\n")
    let_go(page)
    expect(page.locator("#said")).to_contain_text("Saved to")
    assert (desk.rules / "addresses.yaml").read_text() == saved
    expect(rules).to_have_value(f"{saved}# typed\n")
    page.get_by_role("button", name="Save to disk").click()
    expect(page.get_by_role("button", name="Save to disk")).to_be_disabled()
    assert (desk.rules / "addresses.yaml").read_text().endswith("# typed\n")


def test_of_several_sets_the_one_chosen_last_is_open(page: Page) -> None:
    """However late the answer for another comes."""
    hold(page, "GET", "/api/sets/shipped")
    page.locator("#sets").select_option("shipped")
    page.locator("#sets").select_option("disk")
    let_go(page)
    expect(page.locator("#sets")).to_have_value("disk")
    expect(page.get_by_role("button", name="Save to disk")).to_have_attribute("title", "")


def test_rules_that_changed_on_disk_are_opened_again(page: Page, desk: Desk) -> None:
    """By Revert after a save that was refused; by a reload when nothing was changed in the page."""
    there = desk.rules / "zz-there.yaml"
    page.get_by_role("button", name="users.yaml", exact=True).click()
    rules = page.get_by_label("Rule file users.yaml")
    before = rules.input_value()
    rules.fill(f"{before}# mine\n")
    there.write_text(TILL)
    page.get_by_role("button", name="Save to disk").click()
    expect(page.locator("#said")).to_contain_text("changed on disk")
    page.get_by_role("button", name="Revert").click()
    expect(page.get_by_role("button", name="zz-there.yaml", exact=True)).to_be_visible()
    expect(rules).to_have_value(before)
    there.unlink()
    page.reload()
    expect(page.get_by_role("button", name="users.yaml", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="zz-there.yaml", exact=True)).to_have_count(0)


def test_who_signs_out_is_told_so_and_leaves_no_draft(chromium: Browser, tmp_path: Path) -> None:
    """Not taken back to where one would be signed in again."""
    with serving(chromium, tmp_path) as own, visiting(chromium, own) as page:
        a_file(page, "zz-till.yaml", TILL)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


def test_markup_in_samples_and_rules_stays_text(page: Page) -> None:
    """In both panes, in the editor, in the list of problems, in tooltips and in the corpus."""
    a_file(page, "zz-till.yaml", TILL.replace("till\n", f"'{HOSTILE}'\n").replace("till_0447", HOSTILE))
    paste(page, f"{HOSTILE} till_0447")
    expect(page.locator("#before mark", has_text="till_0447")).to_have_count(1)
    expect(page.locator("ul.problems")).to_contain_text(HOSTILE)
    page.locator("#before mark", has_text="till_0447").hover()
    expect(page.locator("#tip")).to_contain_text(HOSTILE)
    page.get_by_role("button", name="Add to the corpus").click()
    expect(page.locator("ul.samples")).to_contain_text(HOSTILE)
    expect(page.locator("pre.labelled")).to_contain_text(HOSTILE)

    assert page.locator("img, script").count() == 1
    assert page.evaluate("window.hacked") is None


def test_nothing_of_a_sample_is_kept(page: Page) -> None:
    """Not in the browser's storage, not in its address, not after a reload; the draft of rules is."""
    paste(page, f"{EVENT} secret-0815")
    expect(page.locator("#before")).to_contain_text("secret-0815")
    a_file(page, "zz-till.yaml", TILL)
    page.get_by_role("tab", name="Compare").click()
    kept = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, history.state, location.href, document.cookie])"
    )
    page.reload()
    page.get_by_role("tab", name="Tune").click()
    expect(page.locator("#before mark").first).to_be_visible()

    assert "till_" in kept
    assert "secret-0815" not in kept
    assert "secret-0815" not in page.content()
    assert "secret-0815" not in page.get_by_label("Sample: an event or a text").input_value()
    expect(page.get_by_label("Rule file zz-till.yaml")).to_have_value(TILL)


def test_a_theme_is_chosen_and_kept(page: Page) -> None:
    """Whatever the system's is, and over a reload."""
    button = page.get_by_role("button", name="Theme:")
    grounds = []
    for theme in ("light", "dark", "dark"):
        if theme not in button.inner_text():
            button.click()
        else:
            page.reload()
        expect(button).to_have_text(f"Theme: {theme}")
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1] == grounds[2]


def test_all_of_it_can_be_done_by_keyboard(page: Page) -> None:
    """One stop for the tabs, arrow keys between them; whatever has the focus shows it."""
    page.locator("body").press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    views = ["Tune", "Corpus", "Compare", "Publish", "Live"]
    for _ in range(4):
        page.keyboard.press("Tab")
    reached = {}
    for view in views:
        expect(page.get_by_role("tab", name=view)).to_be_focused()
        expect(page.get_by_role("tab", name=view)).to_have_attribute("aria-selected", "true")
        reached[view] = _walk(page)
        page.get_by_role("tab", name=view).focus()
        page.keyboard.press("ArrowRight")

    expect(page.get_by_role("tab", name="Tune")).to_be_focused()
    assert {
        "New file …",
        "users.yaml",
        "Rule file users.yaml",
        "Sample: an event or a text",
        "Before",
        "Clear",
    } <= reached["Tune"]
    assert {"Run the draft", "Compare with", "Accept as baseline"} <= reached["Corpus"]
    assert {"from", "to", "Compare"} <= reached["Compare"]
    assert {"Reload", "canary tenants", "reason", "Publish"} <= reached["Publish"]


def _walk(page: Page) -> set[str]:
    """Go through a view with Tab until it ends; the names of what was reached, each of which shows that it is."""
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        name, inside, shown = page.evaluate(FOCUSED)
        if not inside:
            break
        assert shown, name
        reached.add(name)
    return reached


FOCUSED = """() => {
  const at = document.activeElement;
  const name = at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent;
  const seen = [at, at.closest(".editor")].filter(Boolean).map((each) => getComputedStyle(each));
  const shown = seen.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1);
  return [name, Boolean(at.closest("main")), shown];
}"""
