import io
import time
import zipfile

import pytest

from roadshift.datasets.card import Archive, load_card
from roadshift.datasets.layout import Layout
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import Places
from roadshift.errors import RoadshiftError


def zip_file(members):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


def card_of(*archives):
    layout = Layout(image="{id}.png", label="{id}.png")
    fields = {"archive": None, "archives": archives, "layout": layout}
    return load_card("kitti").model_copy(update=fields)


def archive(name, url=None, by_hand="somewhere", megabytes=1):
    return Archive(name=name, url=url, by_hand=by_hand, unpacked_megabytes=megabytes)


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "by_hand", tmp_path / "downloads")


@pytest.fixture
def get(tmp_path, places, retry_policy):
    """A set's download as the stage makes it: its files by name; None where it failed."""

    def run(card, ok=True):
        raw = tmp_path / "raw"
        raw.mkdir(exist_ok=True)
        if not ok:
            with pytest.raises(RoadshiftError) as caught:
                download_dataset(card, raw, places=places, processes=1, retry_policy=retry_policy)
            assert not list(raw.iterdir())
            return str(caught.value)
        download_dataset(card, raw, places=places, processes=1, retry_policy=retry_policy)
        return {p.relative_to(raw).as_posix(): p.read_bytes() for p in raw.rglob("*.png")}

    return run


def test_several_archives_come_side_by_side_and_no_more_than_four(server, answer, get):
    files = {f"{n}.zip": {f"{n}.png": bytes([n])} for n in range(9)}
    card = card_of(
        *(
            archive(name, server.serve(f"/{name}", answer(zip_file(members), silence=0.1)))
            for name, members in files.items()
        )
    )
    assert get(card) == {f"{n}.png": bytes([n]) for n in range(9)}
    assert server.most_at_once == 4


def test_nothing_of_a_download_is_left_when_it_is_unpacked(server, answer, get, places):
    url = server.serve("/a.zip", answer(zip_file({"a.png": b"a"})))
    get(card_of(archive("a.zip", url)))
    assert not places.downloads.exists()


def test_what_was_put_there_by_hand_stays(get, places):
    places.by_hand.mkdir()
    file = places.by_hand / "a.zip"
    file.write_bytes(zip_file({"a.png": b"a"}))
    assert get(card_of(archive("a.zip"))) == {"a.png": b"a"}
    assert list(places.by_hand.iterdir()) == [file]


def test_a_rerun_asks_only_for_what_is_missing(server, answer, get, places):
    body = zip_file({"b.png": bytes(200_000)})
    good = server.serve("/a.zip", answer(zip_file({"a.png": b"a"})))
    bad = server.serve("/b.zip", answer(body, cut=100_000, silence=0.2), answer(b"", 404))
    card = card_of(archive("a.zip", good), archive("b.zip", bad))
    assert "answers 404" in get(card, ok=False)
    assert (places.downloads / "a.zip").exists()
    assert not (places.downloads / "b.zip").exists()
    server.serve("/b.zip", answer(body))
    assert get(card) == {"a.png": b"a", "b.png": bytes(200_000)}
    assert len(server.asked("/a.zip")) == 1
    assert server.asked("/b.zip")[-1]["Range"] == "bytes=98304-"  # three blocks of 32 KiB


def test_nothing_is_fetched_while_a_person_has_to_fetch_something(server, answer, get):
    url = server.serve("/a.zip", answer(zip_file({"a.png": b"a"})))
    card = card_of(archive("a.zip", url), archive("b.zip"))
    assert "download by hand b.zip (somewhere)" in get(card, ok=False)
    assert server.requests == []


def test_the_first_error_ends_the_other_downloads(server, answer, get):
    slow = server.serve("/slow.zip", answer(b"", 503, {"Retry-After": "1"}))
    absent = server.serve("/absent.zip", answer(b"", 404, silence=0.1))
    began = time.monotonic()
    assert "404" in get(card_of(archive("slow.zip", slow), archive("absent.zip", absent)), ok=False)
    assert time.monotonic() - began < 1
    time.sleep(1.1)  # past the pause after which it would have asked again
    assert len(server.asked("/slow.zip")) == 1


def test_an_archive_that_would_fill_the_disk_is_not_unpacked(get, places):
    places.by_hand.mkdir()
    with zipfile.ZipFile(places.by_hand / "a.zip", "w") as file:
        file.writestr("a.png", b"a")
        file.filelist[0].file_size = 10**15
    message = get(card_of(archive("a.zip", megabytes=10**9)), ok=False)
    assert "a.zip: needs 1000000.0 GB on the disk of" in message


def test_an_unknown_world_names_the_card(get):
    card = load_card("synthetic_noon").model_copy(update={"world": "nooon"})
    assert get(card, ok=False) == (
        "card 'synthetic_noon': world: 'nooon' is not a world; did you mean 'noon'?"
    )
