"""The documentation: its tables, links, commands, options, keys and paths are those of the code."""

import itertools
import json
import re
import shlex
import statistics
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from ablation.variants import overridden, read_overrides
from roadshift.__main__ import COMMANDS, main
from roadshift.scoring.numbers import percent, points
from roadshift.scoring.recipe_result import DomainResult, RecipeResult
from roadshift.scoring.recipe_tables import more_sources_parts, recipe_table
from roadshift.scoring.recipes import leaves
from roadshift.settings import load_yaml

PROJECT = Path(__file__).parents[1]
PARAMS = PROJECT / "params.yaml"
RESULTS = PROJECT / "docs/results"
DOCS = [file for file in sorted((PROJECT / "docs").rglob("*.md")) if RESULTS not in file.parents]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *DOCS]
TEXTS = {page.relative_to(PROJECT).as_posix(): page.read_text("utf-8") for page in PAGES}
TEXT = "\n".join(TEXTS.values())
README = TEXTS["README.md"]
RESULTS_PAGE = TEXTS["docs/results.md"]
MIXES = ("a", "b", "ab")


def commands(text):
    """The command lines of a page's shell blocks, comments removed, continuations joined."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield re.sub(r" +# .*", "", line).strip()


LINES = [(name, line) for name, text in TEXTS.items() for line in commands(text)]


def code_spans(text):
    """What stands between backticks in a page, blocks left out."""
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def documented(pattern):
    """What a pattern finds in the commands and code of all pages, with the page's name."""
    places = [*LINES, *((name, span) for name, text in TEXTS.items() for span in code_spans(text))]
    return sorted({(name, found) for name, code in places for found in re.findall(pattern, code)})


@pytest.mark.parametrize(
    ("recipe", "pages"), [("streets", (README, RESULTS_PAGE)), ("camvid", (RESULTS_PAGE,))]
)
def test_the_tables_are_what_the_pipeline_measured(recipe, pages):
    result = RecipeResult.load(RESULTS / recipe / "seeds.json")
    assert [page for page in pages if recipe_table(result) not in page] == []
    assert result.provenance is not None
    assert result.provenance.seeds == [0, 1, 2]


def unseen_cell(mix, data_set):
    """The mean of the three seeds, and each, as `roadshift evaluate --json` told them."""
    mious = []
    for seed in range(3):
        file = RESULTS / f"streets-unseen/{mix}-{data_set}-s{seed}.json"
        content = json.loads(file.read_text("utf-8"))
        told = {key: content[key] for key in ("model", "taxonomy", "split", "data_set")}
        assert told == {
            "model": f"models/{mix}.keras", "taxonomy": "driving11", "split": "all",
            "data_set": data_set,
        }  # fmt: skip
        mious.append(content["miou"])
    return f"{percent(statistics.mean(mious))} [{', '.join(map(percent, mious))}]"


def test_the_table_of_sets_that_nobody_chose_by_is_what_the_command_told():
    quoted = re.search(r"<!-- unseen: .*-->\n\n((?:\|.*\n)+)", RESULTS_PAGE)
    assert quoted
    _, _, *rows = (line.strip("| ").split(" | ") for line in quoted[1].splitlines())
    assert rows == [
        [mix, *(unseen_cell(mix, each) for each in ("bdd100k", "a2d2"))] for mix in MIXES
    ]


@pytest.mark.parametrize(
    ("marker", "recipe"), [("more sources", "streets"), ("third source", "third_source")]
)
def test_the_results_page_says_what_more_sources_give(marker, recipe):
    quoted = re.search(rf"<!-- {marker}: .*-->\n\n((?:\|.*\n)+)", RESULTS_PAGE)
    assert quoted
    head, _, *rows = (line.strip("| ").split(" | ") for line in quoted[1].splitlines())
    (part,) = more_sources_parts(RecipeResult.load(RESULTS / recipe / "seeds.json"))
    assert (head, rows) == (part.heads, part.rows)


def test_a_third_source_is_told_apart_on_its_own_images_alone():
    result = RecipeResult.load(RESULTS / "third_source/seeds.json")
    pairs = {(found.mix, found.than): found.domains for found in result.more_sources or []}
    for pair in (("ac", "a"), ("abc", "ab")):
        verdicts = {domain: change.verdict for domain, change in pairs[pair].items()}
        assert verdicts.pop("c") == "better"
        assert {*verdicts.values()} == {"not told apart"}


def test_the_readme_says_what_a_second_source_gives():
    result = RecipeResult.load(RESULTS / "streets/seeds.json")
    over_a, over_b = (found.domains["target"] for found in result.more_sources or [])
    assert (over_a.verdict, over_b.verdict) == ("not told apart", "better")
    told = " ".join(README.split())
    interval = f"{points(over_b.low)} to {points(over_b.high)}"
    better = f"by {points(over_b.difference).lstrip('+')} points (95 % interval {interval}). Three"
    assert f"[better than `b`](docs/results.md#what-more-sources-give) {better}" in told
    assert f"do not tell it apart from `a` ({points(over_a.difference)})." in told


def test_the_table_of_classes_is_what_the_pipeline_measured():
    result = RecipeResult.load(RESULTS / "streets/seeds.json")
    domains = result.mixes["ab"].domains
    quoted = re.search(r"<!-- classes: of ab .*-->\n\n((?:\|.*\n)+)\n([^|<]+)", RESULTS_PAGE)
    assert quoted
    head, _, *rows = (line.strip("| ").split(" | ") for line in quoted[1].splitlines())
    assert head[1::2] == [f"{name} = {cell.data_set}" for name, cell in domains.items()]
    classes = [cell.classes or {} for cell in domains.values()]
    scores = {name: [of[name] for of in classes] for name in classes[0]}
    assert rows == [
        [name, *itertools.chain(*([score.text, str(score.pixels)] for score in found))]
        for name, found in scores.items()
    ]
    kitti = {name: found[1] for name, found in scores.items()}
    rare = {name: kitti.pop(name).pixels for name in ("person", "two_wheeler")}
    others = statistics.mean(score.iou or 0.0 for score in kitti.values())
    pixels = sum(rare.values()) + sum(score.pixels for score in kitti.values())
    told = " ".join(quoted[2].split())
    assert f"are {rare['person']} and {rare['two_wheeler']} of {pixels / 1e6:.1f} million" in told
    assert f"The mean of the other nine is {percent(others)}." in told


CELL = r"\| (\d+\.\d(?: ± \d+\.\d)? \(\d+\.\d to \d+\.\d\))"
"""A cell of a table with its interval, of one run or of several seeds with their spread."""


def test_no_other_table_gives_intervals():
    tables = ""
    for kind in ("table", "seeds"):
        tables += "".join(file.read_text("utf-8") for file in sorted(RESULTS.glob(f"*/{kind}.md")))
    cells = re.findall(CELL, TEXT)
    assert cells
    assert [cell for cell in cells if f"| {cell} |" not in tables] == []


@pytest.mark.parametrize(
    ("spread", "expected"), [(None, "62.0 (60.1 to 63.9)"), (0.006, "62.0 ± 0.6 (60.1 to 63.9)")]
)
def test_cells_of_one_run_and_of_several_seeds_are_found_in_tables(spread, expected):
    result = DomainResult(
        images=8, miou=0.62, by_seed=[0.62], spread=spread, data_set="ika",
        miou_low=0.601, miou_high=0.639,
    )  # fmt: skip
    assert result.cell == expected
    assert re.findall(CELL, f"| ab | {expected} |") == [expected]
    assert re.findall(CELL, f"It has {expected} on the target.") == []


def test_rows_of_the_ablation_are_quoted_as_they_are():
    table = (RESULTS / "adaptation/table.md").read_text("utf-8")
    quoted = re.search(r"<!-- ablation: .*-->\n\n((?:\|.*\n)+)", RESULTS_PAGE)
    assert quoted
    head, _, *rows = quoted[1].splitlines()
    # A page quotes what it speaks of; the whole table is in the file.
    assert 1 <= len(rows) <= 4
    assert {head, *rows} <= {*table.splitlines()}


@pytest.mark.parametrize(
    ("page", "kind", "file", "number"),
    [
        ("docs/results.md", "search", "search_streets/trials.md", 3),
        ("docs/results.md", "search on CamVid", "search_camvid/trials.md", 2),
        ("docs/results.md", "budget", "budget/transfer.md", 4),
        ("docs/results.md", "recipe", "recipe/transfer.md", 12),
        ("docs/results.md", "frontier", "frontier/transfer.md", 6),
        ("docs/how-to/search.md", "searched", "search_synthetic/trials.md", 2),
        ("docs/start/no-labels.md", "pick", "pick/table.md", 5),
    ],
)
def test_a_page_quotes_cells_of_a_table_as_they_are(page, kind, file, number):
    told = (RESULTS / file).read_text("utf-8")
    quoted = re.search(rf"<!-- {kind}: .*-->\n\n((?:\|.*\n)+)", TEXTS[page])
    assert quoted
    head, _, *rows = (line.strip("| ").split(" | ") for line in quoted[1].splitlines())
    lines = [line.strip("| ").split(" | ") for line in told.splitlines()]
    (width,) = {len(cells) for cells in lines if cells[0] == "variant"}
    table = {cells[0]: cells for cells in lines if len(cells) == width}
    places = [table["variant"].index(title) for title in head]
    assert len(rows) == number
    for row in rows:
        assert row == [table[row[0]][place] for place in places]


def test_the_docs_tell_what_the_search_on_the_default_found():
    page = " ".join(TEXTS["docs/how-to/search.md"].split())
    recipe = (RESULTS / "search_synthetic/recipe.txt").read_text("utf-8")
    assert "as better than the base, which is kept. The highest: `t018` has" in recipe
    assert read_overrides(RESULTS / "search_synthetic/recipe.txt") == []
    found = re.search(r"of 3 with (\S+); by the confirming seeds it has \S+, −(\S+) points", recipe)
    assert found
    told = f"On the last rung `t018` had {found[1]} with two seeds, and by the confirming seeds"
    assert f"{told} it has {found[2]} points less." in page


@pytest.mark.parametrize("name", ["streets", "camvid"])
def test_a_recipe_is_the_one_that_its_search_chose(name):
    def values(file):
        return dict(o.split("=", 1) for o in read_overrides(file) if "=" in o)

    recipe = values(PROJECT / f"experiments/{name}.txt")
    chosen = values(RESULTS / f"search_{name}/recipe.txt")
    search = yaml.safe_load((PROJECT / f"experiments/search_{name}.yaml").read_text("utf-8"))
    searched = {key: recipe[key] for key in search["space"]}
    assert searched == {key: chosen[key] for key in search["space"]}
    section = RESULTS_PAGE.partition(f"(results/search_{name}/")[2].partition("\n## ")[0]
    table = re.findall(r"\| `([\w.]+)` \| \S+ \| (\S+) \|", section)
    assert dict(table) == searched


def test_the_recipe_with_a_third_source_is_that_of_the_street_scenes():
    def values(name):
        params = overridden(PARAMS, read_overrides(PROJECT / f"experiments/{name}.txt"))
        return dict(leaves(params.model_dump(mode="json")))

    streets, third = values("streets"), values("third_source")
    odd = {key for key in {*streets, *third} if streets.get(key) != third.get(key)}
    sources = {key for key in odd if key.startswith(("mixes.", "domains.c", "data.split.by.c"))}
    assert odd - sources == {
        *("data.partial_labels", "data.max_height"),
        *("train.crop_height", "train.crop_width", "train.epochs"),
    }
    assert third["train.epochs"] == streets["train.epochs"] / 5
    assert third["data.max_height"] == streets["data.max_height"] / 2


def test_the_readme_is_short():
    assert len(README.split()) <= 900


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    """Files that are there, and headings that the page they are in has."""
    place = (PROJECT / name).parent
    broken = []
    for target in re.findall(r"\]\((?!http)([^)]+)", TEXTS[name]):
        file, _, heading = target.partition("#")
        page = place / file if file else PROJECT / name
        if not page.exists() or (heading and heading not in anchors(page)):
            broken.append(target)
    assert broken == []


def anchors(page):
    """The headings of a page, as GitHub names them."""
    titles = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_index_lists_every_page():
    index = PROJECT / "docs/README.md"
    linked = {
        (index.parent / target).resolve()
        for target in re.findall(r"\]\(([^)#]+)", index.read_text("utf-8"))
    }
    assert {*DOCS} - {index} <= linked


@pytest.mark.parametrize(("page", "target"), documented(r"^make (?:PYTHON=\S+ )?([a-z]\w*)"))
def test_every_make_target_exists(page, target):
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE), page


def test_every_test_that_a_page_names_exists():
    code = "".join(file.read_text("utf-8") for file in (PROJECT / "tests").rglob("test_*.py"))
    for page in DOCS:
        for name in re.findall(r"`(test_[a-z]\w+)`", page.read_text("utf-8")):
            assert f"def {name}(" in code, f"{page}: {name}"


def test_every_make_target_is_documented():
    targets = re.findall(r"^([a-z]+):.*##", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {*targets} == {found for page, found in documented(r"^make ([a-z]+)$")}


@pytest.mark.parametrize(("page", "module"), documented(r"\bpython -m ([\w.]+)"))
def test_every_module_that_is_run_exists(page, module):
    path = PROJECT / module.replace(".", "/")
    installed = module in {"venv", "pip", "pytest", "zipfile"}
    assert installed or path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), page


def is_key(key):
    content = yaml.safe_load(PARAMS.read_text("utf-8"))
    for part in key.split("."):
        if not isinstance(content, dict) or part not in content:
            return False
        content = content[part]
    return True


SECTIONS = "|".join(yaml.safe_load(PARAMS.read_text("utf-8")))


KEY = rf"(?<![\w./+-])((?:{SECTIONS})\.(?!keras)\w+(?:\.\w+)*)(?![\w/*]|\.[a-z<*])"


# The page of bad input quotes keys that do not exist.
@pytest.mark.parametrize(
    ("page", "key"), [each for each in documented(KEY) if each[0] != "docs/bad_input.md"]
)
def test_every_parameter_that_is_named_exists(page, key):
    assert is_key(key), page


NEW_KEY = rf"\+((?:{SECTIONS})\.\w+(?:\.\w+)*)"
NEW_NAMES_IN = {"domains": "c", "mixes": "abc", "data.split.by": "c"}
"""The sections whose keys a person names, each with a new name."""


@pytest.mark.parametrize(("page", "key"), documented(NEW_KEY))
def test_every_parameter_after_a_plus_is_a_new_one_where_names_are_free(page, key):
    """`dvc exp run -S +key=value` adds a key, and refuses one that is there."""
    assert not is_key(key), page
    assert key.rpartition(".")[0] in NEW_NAMES_IN, page


def test_the_keys_after_a_plus_are_found():
    found = {key for _, key in documented(NEW_KEY)}
    assert found >= {f"{section}.{name}" for section, name in NEW_NAMES_IN.items()}


EXPERIMENTS = [
    (page, line.removeprefix("ROADSHIFT_MIRROR=/path/to/the/folder/of/mine.zip "))
    for page, line in LINES
    if "dvc exp run " in line
]


@pytest.mark.parametrize(("page", "line"), EXPERIMENTS)
def test_every_experiment_is_one_that_the_schema_takes_and_changes_something(page, line):
    assert line.startswith("dvc exp run "), page
    expanded = re.sub(
        r"\$\(grep -v '\^#' (\S+)\)",
        lambda found: re.sub(r"^#.*", "", (PROJECT / found[1]).read_text("utf-8"), flags=re.M),
        line,
    )
    words = shlex.split(expanded)
    given = [word for flag, word in itertools.pairwise(words) if flag == "-S"]
    assert given
    # A card of the reader's own is not there, and what is swept is a list.
    given = [re.sub(r"^domains\.(\w+)=mine$", r"domains.\1=folder", each) for each in given]
    given = [re.sub(r"^([\w.]+=[\d.]+),[\d.,]+$", r"\1", each) for each in given]
    assert overridden(PARAMS, given) != overridden(PARAMS, [])


CARRIED_THROUGH = {"summarize", "report", "page"}
"""The stages after which the summary is that of the experiment."""
RUNS = [
    *LINES,
    *documented(r"^(dvc exp run .*)"),
    *(
        (file.name, line.lstrip("# "))
        for file in sorted((PROJECT / "experiments").iterdir())
        for line in file.read_text("utf-8").splitlines()
        if line.startswith("#")
    ),
]
RUNS = sorted({(page, code) for page, code in RUNS if code.startswith("dvc exp run ")})


@pytest.mark.parametrize(("page", "line"), RUNS)
def test_every_experiment_that_is_named_ends_with_its_summary(page, line):
    """A run of evaluate@ab alone would have no figures in `dvc exp show` and `dvc metrics diff`."""
    words = shlex.split(re.sub(r"\$\(.*?\)", "", line))[3:]
    pairs = zip(["", *words], words, strict=False)
    targets = {word for before, word in pairs if before != "-S" and not word.startswith("-")}
    assert targets <= CARRIED_THROUGH, page


def command_of(name):
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


def options(command):
    context = click.Context(command)
    named = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return {n for n in named if n.startswith("-")} | {*context.help_option_names, "-h"}


CALLS = [
    (page, code)
    for page, code in [*LINES, *((n, span) for n, t in TEXTS.items() for span in code_spans(t))]
    if code.startswith("roadshift ") and not code.startswith("roadshift <")
]


@pytest.mark.parametrize(("page", "code"), CALLS)
def test_every_command_and_option_that_is_named_exists(page, code):
    _, *words = code.split()
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    name = next((word for word in words if not word.startswith("-")), None)
    if name is None:
        assert given <= {"--help", "--version"}, page
        return
    assert name in COMMANDS, page
    assert given <= options(command_of(name)), page


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name):
    command = command_of(name)
    sections = TEXTS["docs/reference/commands.md"].split("\n### roadshift ")
    section = next((text for text in sections if text.split()[0] == name), "")
    assert section
    table = {span for span in code_spans(section) if span.startswith("-")}
    # An option by its own name; others, such as -t, are its short forms.
    expected = {each.opts[0] for each in command.params if isinstance(each, click.Option)}
    assert expected <= table
    assert table <= options(command)


def test_every_output_of_a_stage_is_listed():
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))["stages"]
    text = TEXTS["docs/reference/files.md"]
    listed = {span.rstrip("/") for span in code_spans(text)}
    for name, stage in stages.items():
        of_mixes = ("train", "transfer", "calibrate", "error_bars", "evaluate", "estimate")
        item = "<mix>" if name in of_mixes else "<role>"
        content = stage.get("do", stage)
        for out in [*content.get("outs", []), *content.get("metrics", [])]:
            path = next(iter(out)) if isinstance(out, dict) else out
            assert re.sub(r"\$\{(key|item)\}", item, path) in listed, name


def test_every_package_is_listed():
    folders = {p.parent for p in (PROJECT / "roadshift").glob("*/__init__.py")}
    listed = {*code_spans(TEXTS["docs/reference/files.md"])}
    assert {f"{folder.relative_to(PROJECT).as_posix()}/" for folder in folders} <= listed


@pytest.mark.parametrize(
    ("page", "path"),
    documented(r"^((?:roadshift|stages|ablation|search|tests|benchmarks|experiments)/[\w./]+)$"),
)
def test_every_file_of_the_code_that_is_named_exists(page, path):
    # A card, an encoding of the reader's own.
    assert path.endswith("/mine.yaml") or (PROJECT / path).exists(), page


def test_a_further_source_takes_the_lines_that_the_page_gives(tmp_path):
    """All in params.yaml, which is sound with them; the overrides below them do the same."""
    page = TEXTS["docs/how-to/another-machine.md"]
    table = re.search(r"<!-- more sources -->\n\n((?:\|.*\n)+)", page)
    assert table
    params = load_yaml((PROJECT / "params.yaml").read_bytes())
    for row in table[1].splitlines()[2:]:
        place, line = re.findall(r"\| `(.*?)` \| `(.*)` \|", row)[0]
        at = params
        for key in place.split("."):
            at = at[key]
        at.update(yaml.safe_load(line))
    params["data"]["taxonomy"] = "driving7"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    edited = overridden(tmp_path / "params.yaml", [])
    assert edited.mixes["abc"] == {"a": 1, "b": 1, "c": 1}
    command = next(c for c in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "+domains.c" in c)
    words = shlex.split(command.replace("\\\n", " "))
    given = overridden(PROJECT / "params.yaml", [words[k + 1] for k in range(3, len(words), 2)])
    assert given.domains == edited.domains
    assert given.mixes["abc"] == edited.mixes["abc"]


def test_no_data_set_or_model_is_committed():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout.split()
    allowed = {"docs/overlay.png", "docs/overview.png", "docs/page.png"}
    heavy = {".png", ".jpg", ".keras", ".npz", ".h5", ".zip"}
    assert {f for f in listed if Path(f).suffix in heavy} <= allowed
    assert not [f for f in listed if "tfrecord" in f]
