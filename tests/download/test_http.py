import gzip
import http.client
import time
from email.utils import formatdate
from threading import Event

import pytest

from roadshift.download.http import RetryPolicy, TransferError, download
from roadshift.errors import RoadshiftError

CONTENT = bytes(range(256)) * 2048
OTHER = CONTENT[::-1]
HALF = len(CONTENT) // 2
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


def anything(file):
    """A check that finds every file right."""


def only(content):
    def check(file):
        if file.read_bytes() != content:
            raise RoadshiftError(f"{file.stat().st_size} bytes that are wrong")

    return check


@pytest.fixture
def target(tmp_path):
    return tmp_path / "downloads/set.zip"


@pytest.fixture
def bring(target, retry_policy):
    """A download of a URL that comes out whole, or in an error that leaves nothing of the name."""

    def run(url, check=anything, retry_policy=retry_policy):
        try:
            download(url, target, check=check, retry_policy=retry_policy, stop=Event())
        except RoadshiftError:
            assert not target.exists()
            raise
        return target.read_bytes()

    return run


def refuse(bring, url, match, check=anything, kind=TransferError, **settings):
    with pytest.raises(kind, match=match) as caught:
        bring(url, check, **settings)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_whole_file(server, answer, bring, target):
    assert bring(server.serve("/set.zip", answer(CONTENT)), only(CONTENT)) == CONTENT
    assert not target.with_name("set.zip.part").exists()


def test_a_file_in_chunks_of_unknown_length(server, answer, bring):
    assert bring(server.serve("/set.zip", answer(CONTENT, chunked=True))) == CONTENT


def test_an_empty_file(server, answer, bring):
    assert bring(server.serve("/set.zip", answer())) == b""


def test_a_closed_connection_resumes_at_once(server, answer, bring, capsys):
    url = server.serve("/set.zip", answer(CONTENT, cut=HALF), answer(CONTENT))
    assert bring(url) == CONTENT
    first, second = server.asked("/set.zip")
    assert "Range" not in first
    assert (second["Range"], second["If-Range"]) == (f"bytes={HALF}-", '"one"')
    assert f"{url}: connection closed" in capsys.readouterr().out


def test_a_date_will_do_where_there_is_no_strong_tag(server, answer, bring):
    dated = {"Last-Modified": DATE}
    for name, tag in (("none", None), ("weak", 'W/"one"')):
        url = server.serve(
            f"/{name}",
            answer(CONTENT, cut=HALF, etag=tag, headers=dated),
            answer(CONTENT, etag=tag, headers=dated),
        )
        assert bring(url) == CONTENT
        assert server.requests[-1][1]["If-Range"] == DATE


def test_a_weak_tag_alone_will_not_do(server, answer, bring):
    url = server.serve(
        "/set.zip", answer(CONTENT, cut=HALF, etag='W/"one"'), answer(CONTENT, etag='W/"one"')
    )
    assert bring(url) == CONTENT
    assert "Range" not in server.requests[-1][1]


def test_a_later_run_resumes_where_an_earlier_one_ended(server, answer, bring, target):
    url = server.serve("/set.zip", answer(CONTENT, cut=HALF), answer(CONTENT, 404))
    refuse(bring, url, "answers 404")
    assert target.with_name("set.zip.part").read_bytes() == CONTENT[:HALF]
    server.serve("/set.zip", answer(CONTENT))
    assert bring(url) == CONTENT
    assert server.requests[-1][1]["Range"] == f"bytes={HALF}-"


def test_a_file_that_came_whole_is_not_asked_for_again(server, answer, bring, target):
    url = server.serve("/set.zip", answer(CONTENT))
    bring(url)
    assert bring(url) == CONTENT
    target.rename(target.with_name("set.zip.part"))  # killed before it got its name
    assert bring(url) == CONTENT
    assert len(server.requests) == 1


def test_a_whole_file_is_checked_again(server, answer, bring, target):
    url = server.serve("/set.zip", answer(CONTENT))
    bring(url)
    with pytest.raises(RoadshiftError, match="wrong"):
        bring(url, only(OTHER))
    assert list(target.parent.iterdir()) == []


def test_each_cut_that_brought_something_counts_from_one(server, answer, bring):
    url = server.serve("/set.zip", answer(CONTENT, cut=len(CONTENT) // 8))
    assert bring(url) == CONTENT
    assert len(server.requests) == 8


def test_a_server_that_ignores_range_is_read_from_the_start(server, answer, bring, capsys):
    url = server.serve("/set.zip", answer(CONTENT, cut=HALF), answer(CONTENT, ranges=False))
    assert bring(url) == CONTENT
    assert (
        "changed on the server, or the download cannot resume; starting again"
        in capsys.readouterr().out
    )


def test_a_file_that_changed_is_not_glued_to_its_old_beginning(server, answer, bring):
    url = server.serve("/set.zip", answer(CONTENT, cut=HALF), answer(OTHER, etag='"two"'))
    assert bring(url) == OTHER


@pytest.mark.parametrize(
    "changed",
    [
        {"etag": '"two"'},
        {"etag": None, "headers": {"Last-Modified": "Thu, 22 Oct 2015 07:28:00 GMT"}},
    ],
)
def test_nor_where_the_server_ignores_if_range(server, answer, bring, changed):
    begun = answer(CONTENT, cut=HALF, headers={"Last-Modified": DATE})
    tail = len(OTHER) - HALF
    there = {"Content-Range": f"bytes {HALF}-{len(OTHER) - 1}/{len(OTHER)}"}
    headers = {**changed.pop("headers", {}), **there}
    glued = answer(OTHER[HALF:], 206, headers=headers, length=tail, **changed)
    assert bring(server.serve("/set.zip", begun, glued, answer(OTHER))) == OTHER


@pytest.mark.parametrize(
    "there", ["bytes 0-524287/524288", "bytes 262144-524286/524287", "nonsense", ""]
)
def test_another_range_than_was_asked_for_is_not_taken(server, answer, bring, there):
    other = answer(OTHER[HALF:], 206, headers={"Content-Range": there})
    url = server.serve("/set.zip", answer(CONTENT, cut=HALF), other, answer(CONTENT))
    assert bring(url) == CONTENT


def test_a_part_that_is_longer_than_the_file_has_become(server, answer, bring):
    url = server.serve("/set.zip", answer(CONTENT, cut=HALF), answer(b"", 416), answer(b"short"))
    assert bring(url) == b"short"


def test_a_part_of_another_url_is_not_resumed(server, answer, bring):
    refuse(bring, server.serve("/a", answer(CONTENT, cut=HALF), answer(b"", 404)), "404")
    assert bring(server.serve("/b", answer(OTHER))) == OTHER
    assert "Range" not in server.requests[-1][1]


@pytest.mark.parametrize("note", [b"", b"[]", b'{"url": 1}', b"\xff"])
def test_a_part_with_a_damaged_note_is_not_resumed(server, answer, bring, target, note):
    url = server.serve("/set.zip", answer(CONTENT))
    target.parent.mkdir()
    target.with_name("set.zip.part").write_bytes(OTHER[:HALF])
    target.with_name("set.zip.origin").write_bytes(note)
    assert bring(url) == CONTENT


def test_a_resumed_file_that_fails_its_check_is_discarded(server, answer, bring, target):
    url = server.serve("/set.zip", answer(OTHER, cut=HALF), answer(CONTENT))
    with pytest.raises(RoadshiftError, match=r"524288 bytes that are wrong; .* is discarded, run"):
        bring(url, only(CONTENT))
    assert list(target.parent.iterdir()) == []
    assert bring(url, only(CONTENT)) == CONTENT


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_ends_at_once(server, answer, bring, status):
    url = server.serve("/set.zip", answer(CONTENT, status))
    phrase = http.client.responses[status]
    error = refuse(bring, url, f"answers {status} {phrase}")
    assert error.absent == (status in (403, 404, 410))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server, answer, bring, status):
    assert bring(server.serve("/set.zip", answer(b"no", status), answer(CONTENT))) == CONTENT


def test_the_tries_end(server, answer, bring):
    refuse(bring, server.serve("/set.zip", answer(b"no", 500)), "answers 500 .*, 3 times in a row")
    assert len(server.requests) == 3


def test_the_pauses_double_up_to_a_bound(server, answer, bring, capsys):
    url = server.serve("/set.zip", *[answer(b"no", 500)] * 4, answer(CONTENT))
    bring(url, retry_policy=RetryPolicy(timeout=1, max_attempts=6, backoff=0.01, max_backoff=0.03))
    printed = capsys.readouterr().out
    assert [line.split()[-2] for line in printed.splitlines()] == ["0.01", "0.02", "0.03", "0.03"]


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_a_server_asks_for_is_kept(server, answer, bring, status):
    asked = answer(b"", status, {"Retry-After": "1"})
    url = server.serve("/set.zip", asked, answer(CONTENT))
    began = time.monotonic()
    assert bring(url) == CONTENT
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    "asked",
    ["3600", formatdate(time.time() + 3600, usegmt=True), "9" * 30],
    ids=["seconds", "date", "endless"],
)
def test_a_pause_beyond_the_bound_ends_with_a_word(server, answer, bring, asked):
    url = server.serve("/set.zip", answer(b"", 429, {"Retry-After": asked}))
    refuse(
        bring, url, r"answers 429 .* attempt would be in \d{4,} s, .*; run the stage again later"
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize("asked", ["soon", "-1", formatdate(0, usegmt=True)])
def test_a_pause_that_makes_no_sense_is_as_none(server, answer, bring, asked):
    url = server.serve("/set.zip", answer(b"", 503, {"Retry-After": asked}), answer(CONTENT))
    assert bring(url) == CONTENT


def test_a_server_that_is_silent_for_too_long(server, answer, bring):
    url = server.serve("/set.zip", answer(CONTENT, silence=9), answer(CONTENT))
    assert bring(url) == CONTENT
    refuse(bring, server.serve("/b", answer(CONTENT, silence=9)), r"silent for 0.3 s")


def test_a_server_that_falls_silent_within_the_body(server, answer, bring, capsys):
    url = server.serve("/set.zip", answer(CONTENT, cut=HALF, silence=9), answer(CONTENT))
    assert bring(url) == CONTENT
    assert server.requests[-1][1]["Range"] == f"bytes={HALF}-"
    assert "silent for 0.3 s" in capsys.readouterr().out


def test_broken_chunks(server, answer, bring):
    broken = answer(CONTENT, cut=HALF, chunked=True)
    assert bring(server.serve("/set.zip", broken, answer(CONTENT))) == CONTENT
    refuse(
        bring,
        server.serve("/b", answer(CONTENT, cut=0, chunked=True)),
        "connection closed early, 3 times",
    )


def test_a_length_that_is_too_long_is_never_reached(server, answer, bring):
    url = server.serve("/set.zip", answer(CONTENT, length=len(CONTENT) + 5, ranges=False))
    refuse(bring, url, "connection closed (early|after 524288 of 524293 bytes), 3 times in a row")


def test_a_length_that_is_too_short_is_what_the_check_is_for(server, answer, bring, target):
    url = server.serve("/set.zip", answer(CONTENT, length=HALF))
    with pytest.raises(RoadshiftError, match="262144 bytes that are wrong"):
        bring(url, only(CONTENT))
    assert list(target.parent.iterdir()) == []


def test_a_body_that_is_packed_on_the_way_is_not_resumed(server, answer, bring):
    packed = gzip.compress(CONTENT)
    headers = {"Content-Encoding": "gzip"}
    url = server.serve(
        "/set.zip", answer(packed, headers=headers, cut=400), answer(packed, headers=headers)
    )
    assert bring(url) == CONTENT
    assert "Range" not in server.requests[-1][1]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<!DOCTYPE html><title>Log in</title>", {"Content-Type": "text/html; charset=utf-8"}),
        (b"\xef\xbb\xbf\n <HTML>", {"Content-Type": "application/zip"}),
        (b"Enter the password", {"Content-Type": "text/html"}),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", {}),
    ],
)
def test_a_web_page_is_not_the_archive(server, answer, bring, target, body, headers):
    url = server.serve("/set.zip", answer(body, headers=headers))
    refuse(bring, url, "answers with a web page instead of the archive")
    assert list(target.parent.iterdir()) == []


def test_an_archive_that_is_called_a_web_page(server, answer, bring):
    body, headers = b"PK\3\4 and so on", {"Content-Type": "text/html"}
    assert bring(server.serve("/set.zip", answer(body, headers=headers))) == body


@pytest.mark.parametrize("page", ["/s/Nq8tb58sb1rj1sZ", "/cloud/index.php/s/Nq8tb58sb1rj1sZ/"])
def test_the_page_of_a_share_leads_to_its_file(server, answer, bring, page):
    server.serve(page, answer(b"<html>"))
    server.serve(f"{page.rstrip('/')}/download", answer(CONTENT))
    assert bring(f"{server.url}{page}") == CONTENT


@pytest.mark.parametrize("path", ["/s/set.zip", "/data/s/Nq8tb58/set.zip", "/s/Nq8tb58?x=1"])
def test_other_addresses_are_left_as_they_are(server, answer, bring, path):
    assert bring(server.serve(path, answer(CONTENT))) == CONTENT


def test_no_server_there(bring, closed_port):
    refuse(bring, f"{closed_port}/set.zip", r"no answer \(ConnectionError\), 3 times in a row")


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1/set.zip", "set.zip"])
def test_an_address_that_is_none_is_not_tried_again(bring, capsys, url):
    refuse(bring, url, "no answer")
    assert capsys.readouterr().out == ""


def test_more_than_the_disk_holds(server, answer, bring, target):
    url = server.serve("/set.zip", answer(CONTENT, length=10**18))
    refuse(bring, url, "needs 1000000000.0 GB on the disk of .* make room", kind=RoadshiftError)
    assert not target.with_name("set.zip.part").exists()


def test_a_stop_from_outside_keeps_what_has_come(server, answer, target, retry_policy):
    stop = Event()
    stop.set()
    url = server.serve("/set.zip", answer(CONTENT, silence=0.05, cut=HALF), answer(CONTENT))
    with pytest.raises(TransferError, match="stopped"):
        download(url, target, check=anything, retry_policy=retry_policy, stop=stop)
    assert not target.exists()
    assert target.with_name("set.zip.part").exists()
