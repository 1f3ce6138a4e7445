import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from roadshift.datasets.images import (
    image_size,
    packed_colours,
    read_any_image,
    read_image,
    read_label,
)
from roadshift.errors import RoadshiftError

GREY = np.array([[0, 1, 2], [255, 128, 7]], np.uint8)
RGB = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
PACKED = [[0x000102, 0x030405, 0x060708], [0x090A0B, 0x0C0D0E, 0x0F1011]]


def saved(file, array, **options):
    Image.fromarray(array).save(file, **options)
    return file


def refuse(function, *args):
    with pytest.raises(RoadshiftError) as caught:
        function(*args)
    message = str(caught.value)
    assert str(args[0]) in message
    assert "\n" not in message
    return message


def test_a_grey_label_as_it_is(tmp_path):
    label = read_label(saved(tmp_path / "l.png", GREY), "grey")
    assert label.dtype == np.uint8
    assert label.tolist() == GREY.tolist()


def test_a_palette_label_is_its_ids_and_not_its_colours(tmp_path):
    image = Image.fromarray(GREY).convert("P")
    image.putdata(GREY.ravel().tolist())
    image.putpalette([9, 9, 9] * 256)
    image.save(tmp_path / "l.png")
    assert read_label(tmp_path / "l.png", "grey").tolist() == GREY.tolist()


def test_a_colour_label_is_packed(tmp_path):
    assert read_label(saved(tmp_path / "l.png", RGB), "colour").tolist() == PACKED


def test_a_palette_label_of_colours_is_its_colours(tmp_path):
    Image.fromarray(RGB).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "l.png")
    with Image.open(tmp_path / "l.png") as image:
        assert image.mode == "P"
    assert read_label(tmp_path / "l.png", "colour").tolist() == PACKED


def test_an_opaque_rgba_label_is_its_colours(tmp_path):
    opaque = np.dstack([RGB, np.full((2, 3), 255, np.uint8)])
    assert read_label(saved(tmp_path / "l.png", opaque), "colour").tolist() == PACKED


def test_a_label_one_can_see_through_is_refused(tmp_path):
    veiled = np.dstack([RGB, np.full((2, 3), 254, np.uint8)])
    assert "found mode RGBA" in refuse(read_label, saved(tmp_path / "l.png", veiled), "colour")


def test_a_label_of_the_other_kind_is_refused(tmp_path):
    rgb, grey = saved(tmp_path / "rgb.png", RGB), saved(tmp_path / "grey.png", GREY)
    message = refuse(read_label, rgb, "grey")
    assert "expected one grey byte a pixel, found RGB whose channels differ (" in message
    assert "write 'kind: colour' for colours, 'kind: red' for ids in the red channel" in message
    assert "expected RGB colours, found mode L" in refuse(read_label, grey, "colour")


@pytest.mark.parametrize("alpha", [[], [255]])
def test_ids_in_three_equal_channels_are_grey(tmp_path, alpha):
    """OpenCV writes what it has read as colours."""
    bands = [GREY] * 3 + [np.full_like(GREY, value) for value in alpha]
    label = read_label(saved(tmp_path / "l.png", np.dstack(bands)), "grey")
    assert label.dtype == np.uint8
    assert label.tolist() == GREY.tolist()


@pytest.mark.parametrize("channel", range(3))
def test_a_single_pixel_whose_channels_differ_is_refused(tmp_path, channel):
    values = np.dstack([GREY] * 3)
    values[1, 2, channel] ^= 1
    message = refuse(read_label, saved(tmp_path / "l.png", values), "grey")
    assert f"found RGB whose channels differ ({', '.join(map(str, values[1, 2]))})" in message


def test_equal_channels_that_one_can_see_through_are_refused(tmp_path):
    veiled = np.dstack([GREY] * 3 + [np.full_like(GREY, 254)])
    message = refuse(read_label, saved(tmp_path / "l.png", veiled), "grey")
    assert "expected one grey byte a pixel, found mode RGBA" in message


@pytest.mark.parametrize("alpha", [[], [255], [0]])
def test_ids_in_the_red_channel(tmp_path, alpha):
    """As CARLA's camera writes them; green and blue may number the instances."""
    values = np.dstack([RGB] + [np.full(RGB.shape[:2], value, np.uint8) for value in alpha])
    label = read_label(saved(tmp_path / "l.png", values), "red")
    assert label.dtype == np.uint8
    assert label.tolist() == RGB[..., 0].tolist()


def test_a_label_without_a_red_channel_of_eight_bits_is_refused(tmp_path, deep_png):
    grey = saved(tmp_path / "grey.png", GREY)
    assert "expected 8-bit RGB with ids in red, found mode L" in refuse(read_label, grey, "red")
    Image.fromarray(RGB).convert("P").save(tmp_path / "palette.png")
    assert "found mode P" in refuse(read_label, tmp_path / "palette.png", "red")
    (tmp_path / "deep.png").write_bytes(deep_png(GREY.astype(int)))
    for kind in ("red", "grey"):
        assert "found 16 bits a channel" in refuse(read_label, tmp_path / "deep.png", kind)


def test_a_sixteen_bit_label_is_refused(tmp_path):
    deep = saved(tmp_path / "l.png", GREY.astype(np.uint16) * 257)
    assert "found mode I" in refuse(read_label, deep, "grey")


@pytest.mark.parametrize(
    ("array", "options", "name"),
    [
        (RGB, {}, "i.png"),
        (np.dstack([RGB, np.full((2, 3), 9, np.uint8)]), {}, "i.png"),
        (RGB, {}, "i.bmp"),
    ],
)
def test_images_become_rgb(tmp_path, array, options, name):
    image = read_image(saved(tmp_path / name, array, **options))
    assert image.dtype == np.uint8
    assert image.tolist() == RGB.tolist()


def test_a_grey_image_becomes_rgb(tmp_path):
    assert (read_image(saved(tmp_path / "i.png", GREY)) == GREY[..., np.newaxis]).all()


def test_a_jpeg_is_near_to_what_it_was(tmp_path):
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    image = read_image(saved(tmp_path / "i.jpg", flat, quality=95)).astype(int)
    assert np.abs(image - flat).max() <= 2


def test_a_image_of_sixteen_bits_is_refused(tmp_path):
    deep = saved(tmp_path / "i.png", GREY.astype(np.uint16) * 257)
    assert "more than 8 bits a channel" in refuse(read_image, deep)


def test_colours_of_sixteen_bits_are_not_cut_to_eight(tmp_path, deep_png):
    (tmp_path / "i.png").write_bytes(deep_png(np.full((2, 3), 0x1234)))
    assert "more than 8 bits a channel (mode RGB)" in refuse(read_image, tmp_path / "i.png")
    assert "found 16 bits a channel" in refuse(read_label, tmp_path / "i.png", "colour")
    (tmp_path / "i.ppm").write_bytes(b"P6 2 1 65535\n" + bytes(range(12)))
    assert "more than 8 bits a channel (mode RGB)" in refuse(read_image, tmp_path / "i.ppm")
    (tmp_path / "i.ppm").write_bytes(b"P6 2 1 256\n" + bytes(range(12)))
    assert "more than 8 bits a channel (mode RGB)" in refuse(read_image, tmp_path / "i.ppm")
    (tmp_path / "i.ppm").write_bytes(b"P6 2 1 255\n" + bytes(range(6)))
    assert read_image(tmp_path / "i.ppm").tolist() == [[[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize(
    ("kind", "head"), [("grey", "P5"), ("grey", "P2"), ("colour", "P6"), ("red", "P3")]
)
def test_a_label_whose_format_scales_its_values_is_refused(tmp_path, kind, head):
    """Pillow would make 89 of 7 out of 20."""
    content = b"0 7 20" if head in ("P2", "P3") else bytes([0, 7, 20])
    width = 3 if kind == "grey" else 1
    for top, given in ((20, content), (255, content)):
        file = tmp_path / "l.pnm"
        file.write_bytes(f"{head} {width} 1 {top}\n".encode() + given)
        if top == 20:
            assert "values of 0..20, expected 0..255" in refuse(read_label, file, kind)
        else:
            expected = {"grey": [0, 7, 20], "colour": [7 * 256 + 20], "red": [0]}[kind]
            assert read_label(file, kind).tolist() == [expected]


@pytest.mark.slow
def test_a_panorama_is_read_without_a_warning_and_a_bomb_is_not(tmp_path, few_bits_png):
    (tmp_path / "i.png").write_bytes(few_bits_png(np.zeros((1, 90_000_000), np.uint8), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_size(tmp_path / "i.png") == (90_000_000, 1)
    (tmp_path / "i.png").write_bytes(few_bits_png(np.zeros((2, 90_000_000), np.uint8), 1))
    assert "more than 178956970 pixels" in refuse(image_size, tmp_path / "i.png")


@pytest.mark.parametrize("kind", ["grey", "grey16", "red", "colour"])
def test_a_label_in_a_lossy_format_or_turned_is_refused(tmp_path, kind):
    arrays = {"grey": GREY, "grey16": GREY.astype(np.uint16), "red": RGB, "colour": RGB}
    if kind != "grey16":
        saved(tmp_path / "l.jpg", arrays[kind])
        assert "a label in JPEG compression: its ids" in refuse(
            read_label, tmp_path / "l.jpg", kind
        )
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = saved(tmp_path / "l.png", arrays[kind], exif=exif)
    assert "a label with an EXIF rotation" in refuse(read_label, turned, kind)


CODED = np.zeros((40, 64), np.uint8)
CODED[5:30, 10:50], CODED[20:38, 3:33] = 1, 2
COLOURED = np.array([[128, 64, 128], [70, 70, 70], [0, 0, 142]], np.uint8)[CODED]
LOSSY = [
    ("grey", "JPEG", {}, "JPEG compression"),
    ("grey", "JPEG", {"quality": 100}, "JPEG compression"),
    ("colour", "MPO", {}, "JPEG compression"),
    ("grey", "TIFF", {"compression": "jpeg"}, "TIFF's compression 'jpeg'"),
    ("colour", "TIFF", {"compression": "jpeg"}, "TIFF's compression 'jpeg'"),
    ("colour", "WEBP", {}, "lossy WebP compression"),
    ("colour", "WEBP", {"quality": 100, "exif": b"Exif\0\0"}, "lossy WebP compression"),
    (
        "colour",
        "WEBP",
        {"save_all": True, "append_images": [Image.new("RGB", (64, 40))]},
        "lossy WebP compression",
    ),
    ("grey", "JPEG2000", {"irreversible": True}, "JPEG 2000 compression"),
    ("colour", "JPEG2000", {"irreversible": True, "no_jp2": True}, "JPEG 2000 compression"),
    ("grey", "JPEG2000", {"quality_layers": [30]}, "JPEG 2000 compression"),
    ("colour", "JPEG2000", {"quality_mode": "dB", "quality_layers": [45]}, "JPEG 2000 compression"),
    ("colour", "AVIF", {}, "AVIF compression"),
    ("colour", "AVIF", {"quality": 100, "subsampling": "4:4:4"}, "AVIF compression"),
    ("colour", "DDS", {"pixel_format": "DXT1"}, "DDS compression"),
]
LOSSLESS = [
    ("grey", "PNG", {}),
    ("grey", "GIF", {}),
    ("grey", "BMP", {}),
    ("grey", "PPM", {}),
    ("grey", "TGA", {"compression": "tga_rle"}),
    ("grey", "PCX", {}),
    ("colour", "QOI", {}),
    ("colour", "SGI", {}),
    *(("grey", "TIFF", {"compression": name}) for name in (None, "tiff_lzw", "packbits", "lzma")),
    *(("colour", "TIFF", {"compression": name}) for name in ("tiff_adobe_deflate", "zstd")),
    ("colour", "WEBP", {"lossless": True}),
    ("colour", "WEBP", {"lossless": True, "exif": b"Exif\0\0"}),
    (
        "colour",
        "WEBP",
        {"lossless": True, "save_all": True, "append_images": [Image.new("RGB", (64, 40))]},
    ),
    ("grey", "JPEG2000", {}),
    ("colour", "JPEG2000", {"no_jp2": True}),
    ("colour", "JPEG2000", {"mct": 1, "tile_size": (32, 32), "num_resolutions": 3}),
]


@pytest.mark.parametrize("name", ["l.png", "l"])
@pytest.mark.parametrize(("kind", "form", "options", "named"), LOSSY)
def test_a_label_whose_compression_is_lossy_is_refused(tmp_path, kind, form, options, named, name):
    values = COLOURED if kind == "colour" else CODED
    file = saved(tmp_path / name, values, format=form, **options)
    message = refuse(read_label, file, kind)
    assert f"a label in {named}" in message
    assert "export the original label again, as PNG or as TIFF with LZW compression" in message


@pytest.mark.parametrize("name", ["l.jpg", "l"])
@pytest.mark.parametrize(("kind", "form", "options"), LOSSLESS)
def test_a_label_whose_compression_is_lossless_is_read(tmp_path, kind, form, options, name):
    values = COLOURED if kind == "colour" else CODED
    label = read_label(saved(tmp_path / name, values, format=form, **options), kind)
    assert (label == (packed_colours(values) if kind == "colour" else values)).all()


def test_a_tiff_with_a_compression_that_hides_its_losses_is_refused(tmp_path):
    file = saved(tmp_path / "l.tif", CODED, compression="tiff_lzw")
    lzw, webp = (struct.pack("<HHIH", 259, 3, 1, code) for code in (5, 50001))
    assert file.read_bytes().count(lzw) == 1
    file.write_bytes(file.read_bytes().replace(lzw, webp))
    assert "a label in TIFF's compression 'webp'" in refuse(read_label, file, "grey")


def tiff_of_few_bits(ids, bits):
    """A TIFF of grey with 1, 2 or 4 bits a pixel, uncompressed."""
    spread = np.unpackbits(ids.astype(np.uint8)[..., np.newaxis], axis=-1)[..., -bits:]
    lines = b"".join(np.packbits(line).tobytes() for line in spread)
    height, width = ids.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height}
    tags[279] = len(lines)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + len(lines))
    return head + lines + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_ids_of_few_bits_in_a_tiff_are_what_was_stored(tmp_path, bits):
    ids = np.array([[0, 1, 2**bits - 1], [2**bits - 1, 0, 1]])
    (tmp_path / "l.tif").write_bytes(tiff_of_few_bits(ids, bits))
    assert read_label(tmp_path / "l.tif", "grey").tolist() == ids.tolist()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "MPO", "TIFF", "WEBP", "AVIF"])
def test_the_size_of_an_image_is_that_of_its_pixels(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path / "i", COLOURED, format=form, exif=exif.tobytes())
    size = (64, 40) if orientation < 5 else (40, 64)
    assert image_size(file) == size
    assert read_image(file).shape == (*size[::-1], 3)
    assert read_any_image(file).shape == (*size[::-1], 3)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_turned_tiff_is_no_label(tmp_path, orientation, compression):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path / "l.tif", CODED, exif=exif, compression=compression)
    assert "a label with an EXIF rotation; save it upright" in refuse(read_label, file, "grey")


def png_with_text(file, array, size, form):
    info = PngInfo()
    text = "x" * size
    if form == "international":
        info.add_itxt("XML:com.adobe.xmp", text, zip=True)
    else:
        info.add_text("comment", text, zip=form == "compressed")
    options = {"icc_profile": bytes(size)} if form == "profile" else {"pnginfo": info}
    return saved(file, array, **options)


@pytest.mark.parametrize(
    ("form", "size"),
    [
        *((form, 3 << 20) for form in ("plain", "compressed", "international", "profile")),
        ("compressed", (64 << 20) - 100),
    ],
)
def test_metadata_do_no_harm(tmp_path, form, size):
    label = png_with_text(tmp_path / "l.png", GREY, size, form)
    assert read_label(label, "grey").tolist() == GREY.tolist()
    image = png_with_text(tmp_path / "i.png", RGB, size, form)
    assert image_size(image) == (3, 2)
    assert read_image(image).tolist() == read_any_image(image).tolist() == RGB.tolist()


@pytest.mark.parametrize("form", ["plain", "compressed"])
def test_metadata_that_would_fill_the_memory_are_not_called_damage(tmp_path, form):
    label = png_with_text(tmp_path / "l.png", GREY, (64 << 20) + 1, form)
    for function, args in ((read_label, ("grey",)), (read_image, ()), (image_size, ())):
        message = refuse(function, label, *args)
        assert message.endswith("more than 64 MiB of metadata; save it without metadata")


def test_what_the_decoder_does_not_support_is_not_called_damage(tmp_path):
    wide = io.BytesIO()
    Image.new("L", (65_500, 1)).save(wide, "JPEG")
    tiff = io.BytesIO()
    Image.fromarray(GREY).save(tiff, "TIFF", compression="tiff_lzw")
    lzw, lerc = (struct.pack("<HHIH", 259, 3, 1, code) for code in (5, 34887))
    contents = {
        "wide.jpg": wide.getvalue().replace(struct.pack(">HH", 1, 65_500), b"\0\1\xff\xff"),
        "lerc.tif": tiff.getvalue().replace(lzw, lerc),
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        message = refuse(read_image, tmp_path / name)
        assert "a damaged image" not in message
        assert message.endswith("save it as PNG")


@pytest.mark.parametrize("name", ["i.png", "i.jpg"])
@pytest.mark.parametrize(
    ("orientation", "size", "brightest"),
    [(1, (32, 16), (0, 0)), (3, (32, 16), (1, 1)), (6, (16, 32), (0, 1)), (8, (16, 32), (1, 0))],
)
def test_the_exif_orientation_is_honoured(tmp_path, name, orientation, size, brightest):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path / name, stored, exif=exif)
    assert image_size(file) == size
    image = read_image(file)
    assert image.shape == (size[1], size[0], 3)
    quarters = image.reshape(2, size[1] // 2, 2, size[0] // 2, 3).mean(axis=(1, 3, 4))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == brightest


def test_every_way_to_cut_a_label_short(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    whole = buffer.getvalue()
    file = tmp_path / "l.png"
    refused = 0
    for n in range(len(whole)):
        file.write_bytes(whole[:n])
        try:
            # What is lost may be the end mark alone; never a pixel.
            assert (read_label(file, "grey") == values).all()
        except RoadshiftError:
            refused += 1
    assert refused > values.size


@pytest.mark.parametrize(
    "form", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "JPEG2000", "GIF", "BMP", "ICO", "BLP"]
)
def test_a_damaged_file_of_any_format_is_named(tmp_path, form):
    buffer, file = io.BytesIO(), tmp_path / "i"
    image = Image.fromarray(COLOURED).convert("P" if form == "BLP" else "RGB")
    image.save(buffer, form)
    whole = buffer.getvalue()
    messages = []
    for n in range(1, len(whole), max(1, len(whole) // 40)):
        for damaged in (whole[:n], whole[:n] + bytes([whole[n] ^ 255]) + whole[n + 1 :]):
            file.write_bytes(damaged)
            for function, args in ((read_label, ("colour",)), (read_image, ()), (image_size, ())):
                try:
                    function(file, *args)
                except RoadshiftError as error:
                    messages.append(str(error))
    assert len(messages) > 40
    assert all(str(file) in message and "\n" not in message for message in messages)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
def test_no_image_at_all(tmp_path, content):
    file = tmp_path / "l.png"
    file.write_bytes(content)
    for function, args in ((read_label, ("grey",)), (read_image, ()), (image_size, ())):
        refuse(function, file, *args)


def test_a_missing_image(tmp_path):
    assert "missing" in refuse(read_image, tmp_path / "nowhere.png")


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_ids_of_few_bits_are_what_was_stored(tmp_path, few_bits_png, bits):
    # Pillow reads the 1 of a 4-bit image as 17, which is another id of Cityscapes.
    ids = np.array([[0, 1, 2**bits - 1], [2**bits - 1, 0, 1]])
    (tmp_path / "l.png").write_bytes(few_bits_png(ids, bits))
    label = read_label(tmp_path / "l.png", "grey")
    assert label.dtype == np.uint8
    assert label.tolist() == ids.tolist()


def test_a_palette_of_few_entries_is_its_ids(tmp_path):
    # Saved with one or two bits a pixel, as tools do that look for the smallest file.
    for top in (1, 3, 15):
        ids = np.array([[0, 1, top], [top, 0, 1]], np.uint8)
        image = Image.fromarray(ids, "P")
        image.putpalette([7, 8, 9] * (top + 1))
        image.save(tmp_path / "l.png", bits=top.bit_length())
        assert read_label(tmp_path / "l.png", "grey").tolist() == ids.tolist()


def test_sixteen_bit_grey(tmp_path):
    ids = np.array([[0, 255, 256], [65535, 6 * 256 + 3, 7]], np.uint16)
    label = read_label(saved(tmp_path / "l.png", ids), "grey16")
    assert label.dtype == np.uint16
    assert label.tolist() == ids.tolist()
    grey = saved(tmp_path / "g.png", GREY)
    assert "expected 16-bit grey, found mode L" in refuse(read_label, grey, "grey16")


def test_ids_of_sixteen_bits(tmp_path, deep_png):
    red = np.random.default_rng(0).integers(0, 65536, (11, 7))
    (tmp_path / "l.png").write_bytes(deep_png(red))
    found = read_label(tmp_path / "l.png", "red16")
    assert found.dtype == np.uint16
    assert found.tolist() == red.tolist()


@pytest.mark.parametrize("name", ["l.png", "l.jpg"])
def test_a_label_of_eight_bits_is_no_label_of_sixteen(tmp_path, name):
    saved(tmp_path / name, RGB)
    with pytest.raises(RoadshiftError, match="expected a PNG of 16-bit RGB"):
        read_label(tmp_path / name, "red16")


@pytest.mark.parametrize(
    ("values", "mode", "expected"),
    [
        ([[0, 255]], "L", [[[0, 0, 0], [255, 255, 255]]]),
        ([[0, 128 * 257, 65535]], "I;16", [[[0] * 3, [128] * 3, [255] * 3]]),
        ([[0x1234, 0x12FF]], "I;16", [[[18] * 3, [19] * 3]]),  # the nearest of 8 bits, not the low
        ([[[9, 8, 7, 255], [9, 8, 7, 0]]], "RGBA", [[[9, 8, 7], [255, 255, 255]]]),
        ([[[100, 255], [100, 0]]], "LA", [[[100] * 3, [255] * 3]]),
    ],
)
def test_any_image_is_read_as_it_is_seen(tmp_path, values, mode, expected):
    array = np.array(values, np.uint16 if mode == "I;16" else np.uint8)
    file = saved(tmp_path / "p.png", array)
    assert Image.open(file).mode == mode
    assert read_any_image(file).tolist() == expected


def test_half_transparent_pixels_are_seen_on_white(tmp_path):
    file = saved(tmp_path / "p.png", np.array([[[0, 0, 0, 128]]], np.uint8))
    assert read_any_image(file).tolist() == [[[127] * 3]]


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([1, 2, 3, 4, 5, 6])
    image.save(tmp_path / "p.png", transparency=1)
    assert read_any_image(tmp_path / "p.png").tolist() == [[[1, 2, 3], [255, 255, 255]]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_image_is_upright(tmp_path, orientation, dtype):
    stored = Image.fromarray(np.arange(6, dtype=dtype).reshape(2, 3))
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "p.png", exif=exif)
    height, width, _ = read_any_image(tmp_path / "p.png").shape
    assert (width, height) == image_size(tmp_path / "p.png")


@pytest.mark.parametrize("values", [[0, 65_536], [-1, 7]])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_values_without_a_known_white_are_refused(tmp_path, dtype, values):
    file = saved(tmp_path / "p.tif", np.array([values], dtype))
    for function in (read_any_image, read_image):
        assert "convert it to 8 bits" in refuse(function, file)


def test_integers_of_32_bits_are_seen_as_those_of_16(tmp_path):
    file = saved(tmp_path / "p.tif", np.array([[0, 65_535]], np.int32))
    assert read_any_image(file).tolist() == [[[0] * 3, [255] * 3]]
