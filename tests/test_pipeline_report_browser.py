"""The page in a real browser: silent, self-contained, nothing cut off, accessible, sortable."""

import base64
import json
import os
import shutil
from importlib import resources, util
from pathlib import Path

import pytest
import tuning_facts
from explanation_facts import explain
from report_run import benchmark, settings, write_run
from stand_in_adb import sample_log
from study_facts import facts_of, values

from hintlite.pipeline.report.page import write_report
from hintlite.pipeline.report.study.write import write_study
from hintlite.pipeline.report.tuning.write import write_tuning

CHROMIUM, DRIVER = "chromium", "chromedriver"
INSTALL = (
    "apt-get install chromium chromium-driver; python -m pip install selenium selenium-axe-python"
)
HOSTILE = "<script>document.title='taken'</script>\"'&"
SIZES, SCHEMES = (400, 1400), ("light", "dark")
SHOWN = [(width, scheme) for width in SIZES for scheme in SCHEMES]
NAMES = ("complete", "half", "several", "empty", "measured", "study", "tuning")
RESULTS = Path(__file__).parents[1] / "docs" / "results"
KEPT = ("fashion_mnist", "study_digits", "tune_digits")  # pages that the documentation shows
PAGES = (*NAMES, *KEPT)
# Each page in both schemes, one narrow and one wide; the next page the other way round.
ASKED = [
    (name, SIZES[(i + j) % 2], scheme)
    for i, name in enumerate(PAGES)
    for j, scheme in enumerate(SCHEMES)
]
BAD = """<!doctype html><html lang="en"><title>bad</title>
<style>p{color:#aaa;background:#fff}</style>
<img src="http://127.0.0.1:9/picture.png"><p>pale</p><div style="width:2000px">wide</div>
<script>console.error("broken")</script></html>"""


def lacking():
    """What the browser tests need and this machine has not."""
    commands = [name for name in (CHROMIUM, DRIVER) if shutil.which(name) is None]
    modules = ("selenium", "selenium_axe_python")
    return commands + [name for name in modules if util.find_spec(name) is None]


def require_everything():
    """Skips where something lacks, and fails there in CI."""
    if missing := lacking():
        reason = f"the page was not tried in a browser, {missing} missing: {INSTALL}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    require_everything()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which(CHROMIUM)
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A file for each of PAGES, and one that breaks every rule."""
    folder = tmp_path_factory.mktemp("pages")
    labels = (HOSTILE, "a class with a very long name of many words", "ant")
    runs = {
        "complete": [write_run(folder / "run", targets=("cortex-m4", "cortex-m55"))],
        "half": [write_run(folder / "<img src=x onerror=alert(1)>", stages=8, classes=labels)],
        "several": [
            folder / "run",
            write_run(folder / "other", stages=8, now=settings(seed=8)),
            write_run(folder / "emulated", now=settings(seed=9), targets=("cortex-m4",)),
        ],
        "empty": [write_run(folder / "new", stages=0)],
    }
    made = {name: RESULTS / name / "report.html" for name in KEPT}
    made["bad"] = folder / "bad.html"
    made["bad"].write_text(BAD)
    for name, shown in runs.items():
        made[name] = folder / f"{name}.html"
        write_report(shown, made[name], None)
    made["measured"] = measured_page(folder)
    write_study(facts_of(folder / "records", values()), folder / "study")
    made["study"] = folder / "study" / "report.html"
    write_tuning(tuning_facts.facts_of(), folder / "tuning")
    made["tuning"] = folder / "tuning" / "report.html"
    return made


def measured_page(folder):
    """The page of a run that was explained, with a phone's log and another device's result."""
    run = write_run(folder / "explained")
    explain(run)
    (folder / "pixel.log").write_text(sample_log(graph=f"/data/local/tmp/{HOSTILE}.tflite"))
    (folder / "pi.json").write_text(json.dumps(benchmark(33.0)))
    html = folder / "measured.html"
    write_report([run], html, None, [folder / "pixel.log", folder / "pi.json"])
    return html


def show(browser, page, width=1400, scheme="light"):
    """Opens a page as a reader with this screen and these colours sees it."""
    scheme = [{"name": "prefers-color-scheme", "value": scheme}]
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for log in ("browser", "performance"):
        browser.get_log(log)  # forgets what came before
    browser.get(page.as_uri())


def errors(browser):
    return [entry["message"] for entry in browser.get_log("browser")]


def requests(browser):
    """Addresses that were asked for, but for the page's own and for data within it."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    return [a for a in addresses if a != browser.current_url and not a.startswith("data:")]


def overflow(browser):
    """How many pixels the page is wider than the window, and what sticks out of it."""
    return browser.execute_script(
        """
        const width = document.documentElement.clientWidth;  // without the scroll bar
        const scrolled = (e) => e.closest(".scroll, pre, .skip");
        const out = [...document.querySelectorAll("body *")].filter((e) => !scrolled(e)
          && e.getBoundingClientRect().right > width + 0.5 && !e.closest("svg svg, defs"));
        return [document.documentElement.scrollWidth - width, out.map((e) => e.tagName)];
        """
    )


def findings(browser):
    """axe-core's serious and critical findings: rule and elements."""
    axe = resources.files("selenium_axe_python") / "axe-core" / "axe.min.js"
    browser.execute_script(axe.read_text(encoding="utf-8"))
    browser.set_script_timeout(60)
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document, "
        "{resultTypes: ['violations'], preload: false}).then((r) => done(r.violations));"
    )
    grave = [each for each in found if each["impact"] in ("serious", "critical")]
    return {each["id"]: [node["html"][:120] for node in each["nodes"]] for each in grave}


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_no_error_no_request_nothing_cut_off(browser, pages, name):
    for width, scheme in SHOWN:
        show(browser, pages[name], width, scheme)
        assert overflow(browser) == [0, []], (width, scheme)
        assert errors(browser) == []
        assert requests(browser) == []
        assert "hintlite" in browser.title  # no label has run as a script


@pytest.mark.browser
@pytest.mark.parametrize(("name", "width", "scheme"), ASKED)
def test_axe_has_no_serious_finding(browser, pages, name, width, scheme):
    show(browser, pages[name], width, scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert findings(browser) == {}


@pytest.mark.browser
def test_these_checks_can_fail(browser, pages):
    show(browser, pages["bad"])
    wide, out = overflow(browser)
    assert wide > 0
    assert "DIV" in out
    assert any("broken" in message for message in errors(browser))
    assert requests(browser) == ["http://127.0.0.1:9/picture.png"]
    assert {"image-alt", "color-contrast"} <= set(findings(browser))


@pytest.mark.browser
def test_the_policy_blocks_what_is_from_outside(browser, pages):
    show(browser, pages["complete"])
    browser.execute_script(
        "const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i);"
        "const s = document.createElement('script'); s.textContent = 'document.title = \"taken\"';"
        "document.body.append(s);"
    )
    assert "hintlite" in browser.title
    assert all("Content Security Policy" in message for message in errors(browser))


@pytest.mark.browser
def test_the_page_of_what_was_measured_has_its_sections(browser, pages):
    """Else the checks above would not have seen them."""
    show(browser, pages["measured"])
    found = browser.execute_script("return [...document.querySelectorAll('section')].map(s=>s.id)")
    assert {"phones", "explanation"} <= set(found)


@pytest.mark.browser
def test_light_and_dark_differ(browser, pages):
    colours = set()
    for scheme in SCHEMES:
        show(browser, pages["complete"], scheme=scheme)
        text = "getComputedStyle(document.querySelector('figure svg text')).fill"
        back = "getComputedStyle(document.body).backgroundColor"
        colours.add(tuple(browser.execute_script(f"return [{text}, {back}]")))
    assert len(colours) == 2


def column(browser, number):
    script = (
        "return [...document.querySelector('#table tbody').rows]"
        f".map(r => r.cells[{number}].textContent)"
    )
    return browser.execute_script(script)


@pytest.mark.browser
def test_tables_are_sorted_by_keyboard(browser, pages):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    show(browser, pages["complete"])
    region = "document.querySelector('#table .scroll').focus()"
    browser.execute_script(region)
    before = column(browser, 0)
    p50 = 8  # its column; from the region's focus a Tab leads to each heading
    ActionChains(browser).send_keys(Keys.TAB * (p50 + 1), Keys.ENTER).perform()
    sort = "return document.activeElement.closest('th').getAttribute('aria-sort')"
    assert browser.execute_script(sort) == "ascending"
    assert column(browser, p50) == ["10.0", "20.0", "40.0", "40.0", "40.0", "80.0"]
    ActionChains(browser).send_keys(Keys.SPACE).perform()
    assert browser.execute_script(sort) == "descending"
    assert column(browser, p50)[0] == "80.0"
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert browser.execute_script(sort) is None
    assert column(browser, 0) == before
    ActionChains(browser).send_keys(Keys.SHIFT + Keys.TAB, Keys.NULL, Keys.ENTER).perform()
    assert browser.execute_script("return document.querySelectorAll('th[aria-sort]').length") == 1


@pytest.mark.browser
def test_unknown_values_come_last(browser, pages):
    show(browser, pages["several"])
    click = "document.querySelectorAll('#table th button')[6].click()"
    browser.execute_script(click)  # the files' sizes against the first run's
    values = column(browser, 6)
    assert values == sorted(values, key=lambda text: text == "–")  # noqa: RUF001


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_the_column_that_stays_leaves_room_for_the_others(browser, pages, name):
    show(browser, pages[name], width=400)
    widths = browser.execute_script(
        "return [...document.querySelectorAll('tbody th')]"
        ".filter(e => getComputedStyle(e).position === 'sticky').map(e => e.offsetWidth)"
    )
    assert max(widths, default=0) < 200
    assert name == "empty" or widths


@pytest.mark.browser
def test_print_is_whole(browser, pages):
    """Nothing is folded away, and a landscape sheet of the narrower of A4 and letter is enough."""
    show(browser, pages["several"])
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    closed = "return document.querySelectorAll('details:not([open])').length"
    assert browser.execute_script(closed) == 0
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    size = {"width": 960, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    needed = "return Math.max(...[...document.querySelectorAll('*')].map(e => e.scrollWidth))"
    assert browser.execute_script(needed) <= 960
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_what_is_lacking_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert lacking()[:2] == [CHROMIUM, DRIVER]
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium chromium-driver"):
        require_everything()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="chromedriver"):
        require_everything()
