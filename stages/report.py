"""Executes the notebook of the report, and writes it as a page."""

import nbformat
from jinja2 import FileSystemLoader
from nbconvert import HTMLExporter

from roadshift.atomic import atomic_file
from roadshift.report.execution import execute
from stages.entry import run
from stages.params import Params
from stages.paths import EXECUTED, NOTEBOOK, REPORT, REPORT_TEMPLATE


def main(_params: Params) -> None:
    """Run report/report.ipynb from top to bottom, and write it with its results."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    execute(notebook, NOTEBOOK)
    exporter = HTMLExporter(
        extra_loaders=[FileSystemLoader(REPORT_TEMPLATE.parent)],
        template_file=REPORT_TEMPLATE.name,
    )
    page, _ = exporter.from_notebook_node(notebook)
    with atomic_file(EXECUTED) as executed, atomic_file(REPORT) as report:
        nbformat.write(notebook, executed)
        report.write_text(page, "utf-8")


if __name__ == "__main__":
    run(main)
