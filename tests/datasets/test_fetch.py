import hashlib
import http.server
import socket
import threading
import zipfile

import pytest

from roadshift.datasets.card import Archive, load_card
from roadshift.datasets.download import download_set
from roadshift.datasets.fetch import fetch
from roadshift.errors import RoadshiftError

CONTENT = bytes(range(256)) * 500
SUM = hashlib.sha256(CONTENT).hexdigest()
WRONG = "0" * 64
HAND = "ask at the publisher's office"
ARCHIVE = Archive(name="set.zip", by_hand=HAND, unpacked_megabytes=1)


def at(url, sha256=None):
    return Archive(name="set.zip", url=url, sha256=sha256, unpacked_megabytes=1)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves /<how>/<file>: whole, cut short, in broken chunks, with other bytes, or not at all."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        _, how, name = self.path.split("/")
        body = f"{SUM}  set.zip\n{WRONG}  other.zip\n".encode() if "SUMS" in name else CONTENT
        if how == "absent" or (how == "sumless" and "SUMS" in name):
            self.send_error(404)
            return
        if how == "wrong" and name == "set.zip":
            body = body[::-1]
        self.send_response(200)
        if how == "chunks" and name == "set.zip":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"fff\r\n" + body[:100])
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if how == "cut" and name == "set.zip" else body)


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def folder_mirror(tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "set.zip").write_bytes(CONTENT)
    return folder


def refuse(match, *args):
    with pytest.raises(RoadshiftError, match=match) as caught:
        fetch(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_with_checksums(folder_mirror, scratch):
    (folder_mirror / "SHA256SUMS").write_text(f"{WRONG}  other.zip\n{SUM}  set.zip\n")
    file = fetch(ARCHIVE, scratch, str(folder_mirror))
    assert file.read_bytes() == CONTENT
    assert not list(scratch.iterdir())


def test_checksums_of_binary_mode_and_in_capitals(folder_mirror, scratch):
    (folder_mirror / "SHA256SUMS").write_text(f"{SUM.upper()} *set.zip\r\n")
    assert fetch(ARCHIVE, scratch, str(folder_mirror)).read_bytes() == CONTENT


def test_a_folder_without_checksums_says_what_it_found(folder_mirror, scratch, capsys):
    assert fetch(ARCHIVE, scratch, str(folder_mirror)).read_bytes() == CONTENT
    assert f"no checksum is known; sha256 {SUM}" in capsys.readouterr().out


def test_a_folder_without_checksums_is_held_to_the_cards(folder_mirror, scratch):
    archive = at("http://127.0.0.1/", sha256=WRONG)
    refuse(f"set.zip: its sha256 is {SUM}, expected {WRONG}", archive, scratch, str(folder_mirror))


def test_a_checksum_that_does_not_fit(folder_mirror, scratch):
    (folder_mirror / "SHA256SUMS").write_text(f"{WRONG}  set.zip\n")
    message = refuse("expected 0000", ARCHIVE, scratch, str(folder_mirror))
    assert str(folder_mirror / "set.zip") in message


@pytest.mark.parametrize("sums", ["", f"{SUM}  settings.zip\n", "\xff\xfe"])
def test_an_archive_that_the_checksums_do_not_list(folder_mirror, scratch, sums):
    (folder_mirror / "SHA256SUMS").write_bytes(sums.encode("latin-1"))
    refuse("SHA256SUMS: does not list 'set.zip'", ARCHIVE, scratch, str(folder_mirror))


def test_an_archive_missing_in_the_folder_and_not_served_by_anyone(tmp_path, scratch):
    message = refuse(f"'set.zip' is not in {tmp_path}", ARCHIVE, scratch, str(tmp_path))
    assert HAND in message
    assert "ROADSHIFT_MIRROR" in message


def test_an_archive_missing_in_the_folder_is_fetched_from_the_publisher(tmp_path, scratch, server):
    file = fetch(at(f"{server}/whole/set.zip", SUM), scratch, str(tmp_path))
    assert file == scratch / "set.zip"
    assert file.read_bytes() == CONTENT


def test_a_mirror_that_is_no_folder(tmp_path, scratch):
    refuse(
        "ROADSHIFT_MIRROR: '.*/nowhere' is not a folder", ARCHIVE, scratch, f"{tmp_path}/nowhere"
    )


def test_no_mirror_and_no_url(scratch):
    message = refuse("'set.zip' cannot be fetched by itself", ARCHIVE, scratch, None)
    assert HAND in message
    assert "ROADSHIFT_MIRROR" in message


def test_the_publisher(scratch, server):
    assert fetch(at(f"{server}/whole/set.zip", SUM), scratch, None).read_bytes() == CONTENT


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_url_mirror(scratch, server, slash):
    assert fetch(ARCHIVE, scratch, f"{server}/whole{slash}").read_bytes() == CONTENT


@pytest.mark.parametrize("how", ["absent", "sumless"])
def test_a_url_mirror_without_the_file(scratch, server, how):
    message = refuse(r"no answer \(404\)", ARCHIVE, scratch, f"{server}/{how}")
    assert HAND in message
    assert "put it as 'set.zip' into a folder" in message


def test_a_url_mirror_with_other_bytes(scratch, server):
    refuse(f"expected {SUM}; fetch the file anew", ARCHIVE, scratch, f"{server}/wrong")


@pytest.mark.parametrize("how", ["cut", "chunks"])
def test_a_download_that_is_cut_off(scratch, server, how):
    message = refuse("cut off", ARCHIVE, scratch, f"{server}/{how}")
    assert f"{server}/{how}/set.zip" in message
    assert HAND in message


def test_a_publisher_that_cuts_off_without_a_known_checksum(scratch, server):
    refuse("cut off", at(f"{server}/cut/set.zip"), scratch, None)


def test_no_network_to_the_publisher(scratch, closed_port):
    url = f"{closed_port}/set.zip"
    message = refuse(r"no answer \(ConnectionError\)", at(url), scratch, None)
    assert f"get it by hand ({url})" in message
    assert "ROADSHIFT_MIRROR" in message


def test_no_network_to_the_mirror(scratch, closed_port):
    assert HAND in refuse("no answer", ARCHIVE, scratch, closed_port)


def test_a_mirror_url_that_is_none(scratch):
    assert HAND in refuse("no answer", ARCHIVE, scratch, "http://")


@pytest.mark.parametrize("how", ["cut", "wrong", "absent"])
def test_a_failed_download_of_a_set_leaves_nothing(tmp_path, server, how):
    card = load_card("kitti").model_copy(update={"archive": ARCHIVE})
    raw = tmp_path / "raw"
    raw.mkdir()
    with pytest.raises(RoadshiftError):
        download_set(card, raw, f"{server}/{how}", 1)
    assert list(tmp_path.rglob("*")) == [raw]


def test_a_set_of_a_mirror_is_unpacked(tmp_path, folder_mirror):
    with zipfile.ZipFile(folder_mirror / "set.zip", "w") as archive:
        archive.writestr("training/image_2/0.png", b"a picture")
    card = load_card("kitti").model_copy(update={"archive": ARCHIVE})
    raw = tmp_path / "data/raw"
    raw.mkdir(parents=True)
    download_set(card, raw, str(folder_mirror), 1)
    assert [p for p in raw.parent.rglob("*") if p.is_file()] == [raw / "training/image_2/0.png"]
