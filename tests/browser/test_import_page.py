"""The import page in a browser: choosing and dropping, sending with faults on the way, and the report."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.utils.crypto import get_random_string
from playwright.sync_api import expect

from annotations.intake import import_job
from annotations.intake.models import Upload, UploadedFile
from annotations.models import Track
from energyapp.jobs.models import Job
from tests.audio_files import write_tone
from tests.browser.conftest import arrive
from tests.conftest import session_of
from tests.processes import wait_until

pytestmark = pytest.mark.browser

TABLE = "track_uri,energy,annotator_id,track_preview_url\nt:0,7,a1,0.wav\nt:1,99,a1,1.wav\n"


@pytest.fixture
def folder(tmp_path):
    """A CSV and audio as they lie on the sender's machine."""
    folder = tmp_path / "music"
    for i in range(6):
        write_tone(folder / f"{i}.wav", duration_s=2, frequency_hz=200 + i)
    (folder / "labels.csv").write_text(TABLE)
    (folder / ".hidden").write_text("of no interest")
    return folder


@pytest.fixture
def open_import(open_page, lead):
    """`open_import(on_file)`: the import page, each of whose requests with a file is in this function's hands."""

    def open_with(on_file):
        page = open_page(lead, "about:blank")
        page.route("**/files/", on_file)  # before the page is there: one that is open may not obey at once
        page.goto("/import/")
        return page

    return open_with


def choose(page, folder, *, table="labels.csv"):
    if table:
        page.get_by_label("CSV with labels or tracks").set_input_files(folder / table)
    page.get_by_label("Audio files").set_input_files(sorted(folder.glob("*.wav")))


def press_import(page):
    page.get_by_role("button", name="Import", exact=True).click()


def drop(page, *paths, on="fieldset.drop"):
    """As from the desktop: real files and folders."""
    box = page.locator(on).bounding_box()
    position = {"x": box["x"] + 20, "y": box["y"] + 10}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, **position, "data": data})


def test_chosen_files_are_sent_imported_and_reported_and_the_report_can_be_opened_again(open_page, lead, folder):
    page = open_page(lead, "/import/")
    choose(page, folder)
    expect(page.get_by_role("status")).to_contain_text("1 CSV and 6 audio files, 0.2 MB")

    press_import(page)
    arrive(page, r"/import/.{36}/$")

    expect(page.get_by_role("heading", name="labels.csv and 6 audio files")).to_be_visible()
    expect(page.get_by_text("No worker is running")).to_be_visible()
    import_job.import_upload(Job.objects.get().pk)
    expect(page.get_by_role("heading", name="Refused rows")).to_be_visible()
    expect(page.locator("dl.figures dd")).to_have_text(["5", "1", "2 0 unchanged, 1 refused", "6 4 named by no row"])
    expect(page.get_by_role("cell", name="energy is '99'; expected a whole number from 1 to 10")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all 1 (CSV)").click()
    assert download.value.suggested_filename == "labels.refused.csv"

    page.goto("/import/")
    page.get_by_role("link", name="labels.csv").click()
    expect(page.get_by_role("heading", name="Refused rows")).to_be_visible()
    assert Track.objects.count() == 5


def test_a_folder_that_is_dropped_is_sent_with_its_folders(open_page, lead, folder):
    write_tone(folder / "live" / "0.wav", duration_s=3)
    page = open_page(lead, "/import/")

    drop(page, folder)
    expect(page.get_by_role("status")).to_contain_text("1 CSV and 7 audio files")
    press_import(page)
    arrive(page, r"/import/.{36}/$")

    assert set(UploadedFile.objects.values_list("path", flat=True)) == {
        "music/labels.csv",
        "music/live/0.wav",
        *(f"music/{i}.wav" for i in range(6)),
    }


def test_files_that_are_dropped_are_added_to_those_that_are_chosen_and_can_be_cleared(open_page, lead, folder):
    page = open_page(lead, "/import/")
    page.get_by_label("CSV with labels or tracks").set_input_files(folder / "labels.csv")
    file = "new File(['RIFF    WAVE'], 'a.wav')"
    transfer = page.evaluate_handle(f"() => {{ const t = new DataTransfer(); t.items.add({file}); return t; }}")
    page.dispatch_event("fieldset.drop", "drop", {"dataTransfer": transfer})
    expect(page.get_by_role("status")).to_contain_text("1 CSV and 1 audio file")

    page.get_by_role("button", name="Clear").click()
    press_import(page)

    expect(page.get_by_role("alert").filter(has_text="Choose a CSV, audio files, or both.")).to_be_visible()
    assert not Upload.objects.exists()


def test_a_file_that_is_dropped_beside_the_card_is_taken_too_and_the_page_stays(open_page, lead, folder):
    page = open_page(lead, "/import/")

    drop(page, folder / "0.wav", on="h1")

    expect(page.get_by_role("status")).to_contain_text("1 audio file")
    assert page.url.endswith("/import/")


def test_who_is_logged_out_meanwhile_logs_in_elsewhere_and_sends_the_rest_again(open_import, server, lead, folder):
    is_login_over = [True]

    def log_out(route):
        if is_login_over:
            Session.objects.all().delete()
        route.continue_()

    page = open_import(log_out)
    choose(page, folder)
    press_import(page)
    expect(page.get_by_role("heading", name="7 files could not be sent")).to_be_visible()
    expect(page.get_by_text("then send again")).to_be_visible()
    is_login_over.clear()

    again = {"sessionid": session_of(lead), "csrftoken": get_random_string(32)}
    page.context.add_cookies([{"name": name, "value": value, "url": server.url} for name, value in again.items()])
    page.get_by_role("button", name="Send them again").click()
    arrive(page, r"/import/.{36}/$")

    assert UploadedFile.objects.filter(problem="").count() == 7


def test_a_file_that_the_server_fails_on_is_named_and_sent_again(open_import, folder, expect_console):
    answers = []

    def fail_once(route):
        answers.append(route)
        route.fulfill(status=500, body="out of order") if len(answers) == 3 else route.continue_()

    page = open_import(fail_once)
    choose(page, folder)
    press_import(page)

    expect(page.get_by_role("heading", name="1 file could not be sent")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="the server answered with an error (500)")
    expect(row).to_contain_text(re.compile(r"\d\.wav"))
    expect(page.get_by_role("button", name="Send them again")).to_be_focused()
    assert not Job.objects.exists()
    page.keyboard.press("Enter")
    arrive(page, r"/import/.{36}/$")

    assert UploadedFile.objects.filter(problem="").count() == 7
    expect_console("500")


def test_an_import_can_go_on_without_a_file_that_cannot_be_sent(open_import, folder, expect_console):
    page = open_import(lambda route: route.fulfill(status=500))
    page.get_by_label("Audio files").set_input_files([folder / "0.wav"])
    press_import(page)
    expect(page.get_by_role("heading", name="1 file could not be sent")).to_be_visible()

    page.get_by_role("button", name="Import without them").click()

    expect(page.get_by_text("Choose a CSV, audio files, or both: nothing was sent.")).to_be_visible()
    expect_console("500")


def test_a_network_that_fails_for_a_moment_is_not_even_noticed(open_import, folder, expect_console):
    answers = []

    def fail_at_first(route):
        answers.append(route)
        route.abort() if len(answers) < 3 else route.continue_()

    page = open_import(fail_at_first)
    choose(page, folder, table=None)
    press_import(page)
    arrive(page, r"/import/.{36}/$")

    assert UploadedFile.objects.filter(problem="").count() == 6
    expect_console("ERR_FAILED")


def test_a_bad_table_stops_all_and_says_why(open_page, lead, folder):
    (folder / "labels.csv").write_text("track_uri;energy\nt:1;7\n")
    page = open_page(lead, "/import/")
    choose(page, folder)
    press_import(page)

    expect(page.get_by_role("alert").filter(has_text="Save it with commas")).to_be_visible()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_enabled()
    assert UploadedFile.objects.get().path == "labels.csv"
    assert not Job.objects.exists()

    expect(page.get_by_role("alert").filter(has_text="6 audio files stayed chosen")).to_be_visible()
    (folder / "labels.csv").write_text(TABLE)
    page.get_by_label("CSV with labels or tracks").set_input_files(folder / "labels.csv")
    expect(page.get_by_role("status")).to_contain_text("1 CSV and 6 audio files")
    press_import(page)
    arrive(page, r"/import/.{36}/$")
    assert UploadedFile.objects.filter(problem="").count() == 7


def test_files_that_are_not_taken_are_in_the_report(open_page, lead, folder):
    (folder / "cover.wav").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with (folder / "huge.wav").open("wb") as file:
        file.truncate(51 * 2**20)
    page = open_page(lead, "/import/")
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    choose(page, folder)
    press_import(page)
    arrive(page, r"/import/.{36}/$")

    rows = page.get_by_role("region", name="Files that were not taken").get_by_role("row")
    expect(rows.filter(has_text="cover.wav")).to_contain_text("it is no audio file")
    expect(rows.filter(has_text="huge.wav")).to_contain_text("it has 51.0 MB; at most 50 MB are taken")


def test_without_javascript_the_form_does_it_alone(open_page, lead, folder):
    page = open_page(lead, "/import/", java_script_enabled=False)
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.get_by_text("Drop a CSV")).to_be_hidden()
    choose(page, folder)
    press_import(page)
    arrive(page, r"/import/.{36}/$")

    expect(page.get_by_role("heading", name="labels.csv and 6 audio files")).to_be_visible()


def test_the_progress_is_shown_and_can_be_heard(open_import, folder):
    seen, held = [], []

    def hold_the_last_three(route):
        seen.append(route)
        held.append(route) if len(seen) > 4 else route.continue_()

    page = open_import(hold_the_last_three)
    choose(page, folder)
    press_import(page)

    expect(page.get_by_role("heading", name="Sending 7 files")).to_be_visible()
    expect(page.get_by_text("4 of 7 files, 0.1 MB of 0.2 MB")).to_be_visible()
    assert page.get_by_role("progressbar", name="Sent").evaluate("each => each.value") == pytest.approx(0.5, abs=0.01)
    expect(page.get_by_role("status").filter(has_text="50 %")).to_have_count(1)
    wait_until(lambda: page.title() and len(held) == 3, what="the last three")
    for route in held:
        route.continue_()
    arrive(page, r"/import/.{36}/$")
