"""A page in headless Chromium, and what it shows."""

from contextlib import contextmanager

CONTRASTS = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const under = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, alpha = 1] = channels(getComputedStyle(e).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const shown = texts.currentNode.data.trim() && element.checkVisibility();
    if (!shown || element.closest("#stage")) continue;
    const pair = [channels(getComputedStyle(element).color), under(element)].map(luminance);
    const [darker, lighter] = pair.sort((x, y) => x - y);
    found.push([(lighter + 0.05) / (darker + 0.05), texts.currentNode.data.trim()]);
  }
  return found;
}"""
"""Returns the contrast of every visible text with what is under it, beside the text."""


@contextmanager
def opened(browser, file, html, fragment="", **options):
    """Context manager: the page, loaded from a file; it fails on trouble and on other loads.

    Args:
        browser: the browser.
        file: path to write the page to.
        html: the page.
        fragment: the part of its address from '#' on; default none.
        options: options of the browser's context.
    """
    file.write_text(html, "utf-8")
    context = browser.new_context(**options)
    page = context.new_page()
    trouble, requests = [], []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    try:
        page.goto(f"{file.as_uri()}{fragment}")
        yield page
        assert trouble == []
        left = [url for url in requests if not url.startswith(("data:", "blob:"))]
        assert {url.partition("#")[0] for url in left} == {file.as_uri()}
    finally:
        context.close()


def choose(page, name, value):
    page.locator(f'label:has(input[name="{name}"][value="{value}"])').click()


def sources(page):
    """By layer, what it shows."""
    return {
        layer: page.locator(f'[data-layer="{layer}"] img:not(.under)').get_attribute("src")
        for layer in ("image", "label", "prediction", "error")
    }


def expected(parts, mix, domain, kind):
    views = parts.domains[domain].views
    return layers_of(views.images[views.kinds[mix][kind]], mix)


def layers_of(image, mix):
    kept = image.predictions.get(mix)
    return {
        "image": image.image,
        "label": image.label,
        "prediction": kept and kept.prediction,
        "error": kept and kept.error,
    }
