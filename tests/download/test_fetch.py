import hashlib
import io
import zipfile
from threading import Event

import pytest

from roadshift.datasets.card import Archive
from roadshift.download.fetch import Places, fetch, locate
from roadshift.errors import RoadshiftError


def zip_file(**members):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


CONTENT = zip_file(image=bytes(1000))
OTHER = zip_file(image=bytes(999))
SUM = hashlib.sha256(CONTENT).hexdigest()
OTHER_SUM = hashlib.sha256(OTHER).hexdigest()
WRONG = "0" * 64
HAND = "ask at the publisher's office"
ARCHIVE = Archive(name="set.zip", by_hand=HAND, unpacked_megabytes=1)
SUMS = f"{WRONG}  other.zip\n{SUM}  set.zip\n"


def at(url, sha256=None):
    return Archive(name="set.zip", url=url, sha256=sha256, unpacked_megabytes=1)


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "data/by_hand", tmp_path / "data/.downloads/a")


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "set.zip").write_bytes(CONTENT)
    return folder


@pytest.fixture
def get(places, retry_policy):
    def run(archive, mirror=None):
        here = Places(places.by_hand, places.downloads, mirror and str(mirror))
        (source,) = locate([archive], here, retry_policy)
        return fetch(source, here, retry_policy=retry_policy, stop=Event())

    return run


def refuse(get, match, *args, lines=1):
    with pytest.raises(RoadshiftError, match=match) as caught:
        get(*args)
    assert len(str(caught.value).splitlines()) == lines
    return str(caught.value)


def put_by_hand(places, content=CONTENT, name="set.zip"):
    places.by_hand.mkdir(parents=True, exist_ok=True)
    (places.by_hand / name).write_bytes(content)
    return places.by_hand / name


def test_a_mirrors_folder(mirror, get, places):
    (mirror / "SHA256SUMS").write_text(SUMS)
    file = get(ARCHIVE, mirror)
    assert file == mirror / "set.zip"  # where it lies, without a copy
    assert not places.downloads.exists()


@pytest.mark.parametrize("name", ["set.tar.gz", "set.tgz", "set.tar"])
def test_an_archive_of_another_kind_under_the_same_name(mirror, get, places, name):
    """Its checksum is its own, not that of the card's file."""
    (mirror / "set.zip").rename(mirror / name)
    card = Archive(name="set.zip", by_hand=HAND, sha256=OTHER_SUM, unpacked_megabytes=1)
    assert get(card, mirror) == mirror / name
    (mirror / "SHA256SUMS").write_text(f"{WRONG}  {name}\n{SUM}  set.zip\n")
    refuse(get, f"its SHA-256 is {SUM}, expected {WRONG}", card, mirror)
    put_by_hand(places)
    assert get(ARCHIVE, mirror) == places.by_hand / "set.zip"


def test_the_cards_own_kind_of_archive_comes_first(mirror, get):
    (mirror / "set.tar").write_bytes(OTHER)
    assert get(ARCHIVE, mirror) == mirror / "set.zip"
    (mirror / "settings.zip").write_bytes(OTHER)
    (mirror / "set.zip").unlink()
    (mirror / "set.tar").unlink()
    refuse(get, "'set.zip' is not in", ARCHIVE, mirror, lines=3)


def test_checksums_of_binary_mode_and_in_capitals(mirror, get):
    (mirror / "SHA256SUMS").write_text(f"{SUM.upper()} *set.zip\r\n")
    assert get(ARCHIVE, mirror).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "line",
    [
        "{}  ./set.zip",
        "{} *./set.zip",
        "{}  ././set.zip",
        "   {}   set.zip  ",
        "{}\tset.zip",
        "{}  .\\set.zip",
        "\\{}  set.zip",
        "SHA256 (set.zip) = {}",
        "SHA256(./set.zip)= {}",
        "\ufeff{}  set.zip",
    ],
)
@pytest.mark.parametrize("capitals", [False, True])
def test_checksums_as_other_programs_write_them(
    mirror, get, server, answer, places, line, capitals
):
    server.serve("/set.zip", answer(CONTENT))
    for digest in (SUM, WRONG):
        shown = digest.upper() if capitals else digest
        sums = (line.format(shown) + f"\r\n\n{WRONG}  other.zip\r\n").encode()
        (mirror / "SHA256SUMS").write_bytes(sums)
        server.serve("/SHA256SUMS", answer(sums))
        for where in (mirror, server.url):
            if digest == SUM:
                assert get(ARCHIVE, where).read_bytes() == CONTENT
            else:
                refuse(get, f"its SHA-256 is {SUM}, expected {WRONG}", ARCHIVE, where)


@pytest.mark.parametrize("name", ["old/set.zip", "./old/set.zip", "../set.zip", "xset.zip", "."])
def test_checksums_of_a_file_elsewhere_are_not_those_of_the_archive(mirror, get, name):
    (mirror / "SHA256SUMS").write_text(f"{SUM}  {name}\n\n{SUM}\n")
    refuse(get, "SHA256SUMS: does not list 'set.zip'", ARCHIVE, mirror)


@pytest.mark.parametrize("digest", ["d41d8cd98f00b204e9800998ecf8427e", "a" * 128, "later"])
def test_a_checksum_of_another_kind_is_named(mirror, get, digest):
    (mirror / "SHA256SUMS").write_text(f"{digest}  set.zip\n")
    message = refuse(get, "SHA256SUMS: expected the 64 hexadecimal digits", ARCHIVE, mirror)
    assert digest[:32] in message


def test_a_cards_checksum_in_capitals(places, get):
    put_by_hand(places)
    get(Archive(name="set.zip", by_hand=HAND, sha256=SUM.upper(), unpacked_megabytes=1))


def test_without_checksums_it_says_what_it_found(mirror, get, capsys):
    assert get(ARCHIVE, mirror).read_bytes() == CONTENT
    assert f"the card gives no checksum; its SHA-256 is {SUM}" in capsys.readouterr().out


def test_without_checksums_a_mirror_is_held_to_the_cards(mirror, get, server, answer):
    message = f"set.zip: its SHA-256 is {SUM}, expected {WRONG}"
    refuse(get, message, at("http://127.0.0.1/", WRONG), mirror)
    server.serve("/set.zip", answer(CONTENT))
    refuse(get, message, at("http://127.0.0.1/", WRONG), server.url)


def test_a_mirrors_checksum_that_does_not_fit_names_both(mirror, get, server, answer, places):
    sums = f"{WRONG}  set.zip\n"
    (mirror / "SHA256SUMS").write_text(sums)
    message = refuse(get, f"its SHA-256 is {SUM}, expected {WRONG}", ARCHIVE, mirror)
    assert str(mirror / "set.zip") in message
    server.serve("/set.zip", answer(CONTENT))
    server.serve("/SHA256SUMS", answer(sums.encode()))
    message = refuse(get, f"its SHA-256 is {SUM}, expected {WRONG}", ARCHIVE, server.url)
    assert f"{server.url}/set.zip" in message
    assert list(places.downloads.iterdir()) == []


@pytest.mark.parametrize(
    "sums", ["", f"{SUM}  settings.zip\n", "\xff\xfe"], ids=["empty", "another", "no text"]
)
def test_an_archive_that_a_mirrors_checksums_do_not_list(mirror, get, server, answer, sums):
    (mirror / "SHA256SUMS").write_bytes(sums.encode("latin-1"))
    server.serve("/set.zip", answer(CONTENT))
    server.serve("/SHA256SUMS", answer(sums.encode("latin-1")))
    for where in (mirror, server.url):
        refuse(get, "SHA256SUMS: does not list 'set.zip'", ARCHIVE, where)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirrors_url(get, server, answer, slash, places):
    server.serve("/mirror/set.zip", answer(CONTENT))
    server.serve("/mirror/SHA256SUMS", answer(SUMS.encode()))
    file = get(ARCHIVE, f"{server.url}/mirror{slash}")
    assert file == places.downloads / "set.zip"
    assert file.read_bytes() == CONTENT


def test_what_a_mirror_lacks_is_fetched_from_the_publisher(tmp_path, get, server, answer, places):
    url = server.serve("/publisher/set.zip", answer(CONTENT))
    for where in (tmp_path, f"{server.url}/mirror"):
        assert get(at(url, SUM), where) == places.downloads / "set.zip"


def test_what_a_mirror_lacks_and_nobody_serves_is_explained(tmp_path, get, server, places):
    for where in (tmp_path, f"{server.url}/mirror"):
        message = refuse(
            get,
            f"'set.zip' is not in {where}, and cannot be downloaded automatically; ",
            ARCHIVE,
            where,
            lines=3,
        )
        assert HAND in message
        assert str(places.by_hand / "set.zip") in message


def test_a_mirror_that_is_no_folder(tmp_path, get):
    refuse(get, "ROADSHIFT_MIRROR: '.*/nowhere' is not a folder", ARCHIVE, tmp_path / "nowhere")


def test_a_mirror_that_does_not_answer_is_not_passed_over(get, server, answer, closed_port):
    url = server.serve("/publisher/set.zip", answer(CONTENT))
    for where in (closed_port, "http://"):
        refuse(get, "no answer", at(url, SUM), where, lines=3)
    server.serve("/set.zip", answer(b"", 500))
    refuse(get, "answers 500", at(url, SUM), server.url, lines=3)


def test_the_publisher(get, server, answer, places):
    assert get(at(server.serve("/set.zip", answer(CONTENT)), SUM)).read_bytes() == CONTENT
    assert not (places.downloads / "set.zip.part").exists()


def test_other_bytes_than_the_card_says_are_discarded(get, server, answer, places):
    url = server.serve("/set.zip", answer(OTHER))
    message = refuse(get, f"its SHA-256 is {OTHER_SUM}, expected {SUM}", at(url, SUM))
    assert message.startswith(url)
    assert list(places.downloads.iterdir()) == []


@pytest.mark.parametrize("body", [b'{"error": "quota"}', b"", CONTENT[:-30]])
def test_what_is_no_archive_is_discarded_without_a_known_checksum(
    get, server, answer, places, body
):
    url = server.serve("/set.zip", answer(body))
    refuse(get, f"{url}: not a complete zip file", at(url))
    assert list(places.downloads.iterdir()) == []


@pytest.mark.parametrize(
    ("made", "match"),
    [
        ({"status": 404}, "answers 404 Not Found"),
        ({"status": 403}, "answers 403 Forbidden"),
        ({"status": 401}, "answers 401 Unauthorized"),
        ({"status": 500}, "answers 500"),
        ({"cut": 0}, "connection closed"),
        ({"headers": {"Content-Type": "text/html"}, "body": b"<html>"}, "a web page instead of"),
    ],
)
def test_a_publisher_that_fails_leads_to_what_to_do_by_hand(
    get, server, answer, places, made, match
):
    url = server.serve("/set.zip", answer(**{"body": CONTENT, **made}))
    message = refuse(get, match, at(url), lines=3)
    where_from, where_to, variable = message.splitlines()
    assert f"download by hand set.zip ({url})" in where_from
    assert where_to == f"and save it as {places.by_hand / 'set.zip'},"
    assert "ROADSHIFT_MIRROR" in variable


def test_no_network(get, closed_port):
    refuse(get, r"no answer \(ConnectionError\)", at(f"{closed_port}/set.zip"), lines=3)


def test_what_a_person_has_to_fetch_is_said_of_all_archives_at_once(places, retry_policy, server):
    names = ("left.zip", "right.zip")
    archives = [Archive(name=n, by_hand=HAND, unpacked_megabytes=1) for n in names]
    other = Archive(name="labels.zip", by_hand="write a letter", unpacked_megabytes=1)
    fetched = at(f"{server.url}/set.zip")
    with pytest.raises(RoadshiftError) as caught:
        locate([*archives, fetched, other], places, retry_policy)
    assert str(caught.value).splitlines() == [
        f"'left.zip', 'right.zip', 'labels.zip' are not in {places.by_hand}, and cannot be "
        f"downloaded automatically; download by hand left.zip, right.zip ({HAND}); "
        "labels.zip (write a letter)",
        f"and save them into {places.by_hand},",
        "or set ROADSHIFT_MIRROR to the absolute path or URL of a folder that has them",
    ]
    assert server.requests == []


def test_the_place_that_is_named_is_absolute(tmp_path, monkeypatch, retry_policy, places):
    monkeypatch.chdir(tmp_path)
    relative = Places(places.by_hand.relative_to(tmp_path), places.downloads)
    with pytest.raises(RoadshiftError, match=f"as {places.by_hand}/set.zip,"):
        locate([ARCHIVE], relative, retry_policy)


def test_what_lies_in_the_folder_for_it_comes_first(places, get, mirror, server, answer):
    (mirror / "set.zip").write_bytes(OTHER)
    file = put_by_hand(places)
    archive = at(server.serve("/set.zip", answer(OTHER)))
    for where in (None, mirror, server.url):
        assert get(archive, where) == file
    assert server.requests == []


def test_what_lies_there_is_held_to_the_card(places, get):
    put_by_hand(places, OTHER)
    archive = Archive(name="set.zip", by_hand=HAND, sha256=SUM, unpacked_megabytes=1)
    message = refuse(get, f"its SHA-256 is {OTHER_SUM}, expected {SUM}", archive)
    assert message.startswith(str(places.by_hand / "set.zip"))


def test_what_lies_there_is_held_to_the_checksums_that_lie_beside_it(places, get):
    put_by_hand(places, OTHER)
    put_by_hand(places, SUMS.encode(), "SHA256SUMS")
    refuse(get, f"its SHA-256 is {OTHER_SUM}, expected {SUM}", ARCHIVE)


@pytest.mark.parametrize("name", ["", "../set.zip", "a/set.zip", ".set.zip", "a\\set.zip"])
def test_the_name_of_an_archive_is_a_plain_one(name):
    with pytest.raises(ValueError, match="name"):
        Archive(name=name, unpacked_megabytes=1)
