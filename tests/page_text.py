"""The sentences that a page shows, for tests that none comes twice."""

import re
from html.parser import HTMLParser

BLOCKS = {
    "p", "li", "td", "th", "tr", "caption", "figcaption", "summary", "h1", "h2", "h3", "h4", "div",
    "table", "ul", "ol", "details", "figure", "br", "body",
}  # fmt: skip
CELLS = {"td", "th", "caption", "figcaption"}
"""Blocks in which words without a full stop are an entry and no sentence."""
SILENT = {"style", "pre", "title"}
FEWEST_WORDS = 4


class _Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.blocks = []
        self.silent = 0
        self._begin("body")

    def _begin(self, tag):
        self.blocks.append((tag, []))

    def handle_starttag(self, tag, attrs):
        self.silent += tag in SILENT
        if tag == "br" and self.blocks[-1][0] in CELLS:
            tag = self.blocks[-1][0]
        if tag in BLOCKS:
            self._begin(tag)

    def handle_endtag(self, tag):
        self.silent -= tag in SILENT
        if tag in BLOCKS and tag != "br":
            self._begin("body")

    def handle_data(self, data):
        if not self.silent:
            self.blocks[-1][1].append(data)


def sentences_of(page):
    """All sentences of a page, folded ones among them, without its code."""
    parser = _Text()
    parser.feed(page)
    found = []
    for tag, words in parser.blocks:
        text = " ".join("".join(words).replace("¶", "").split())
        if tag in CELLS and not re.search(r"[.!?]$", text):
            continue
        parts = re.split(r"(?<=[.!?:])\s+", text)
        found += [part for part in parts if len(part.split()) >= FEWEST_WORDS]
    return found
