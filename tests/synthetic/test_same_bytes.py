"""What is drawn does not depend on the kernels that BLAS, NumPy and the C library choose."""

import ast
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from roadshift import synthetic
from roadshift.environment import environment
from roadshift.synthetic import arithmetic, surfaces, weather
from roadshift.synthetic.render import render
from roadshift.synthetic.world import load_world, world_names

INDICES = (1, 3, 6)
"""With sums of BLAS and functions of NumPy, each variant below changed one of these at least."""
DRAW = f"""
import hashlib
from roadshift.synthetic.render import render
from roadshift.synthetic.world import load_world, world_names
for name in world_names():
    for index in {INDICES}:
        for array in render(load_world(name), 1, index):
            print(name, index, hashlib.sha256(array.tobytes()).hexdigest())
"""
DISPATCHED = " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", ()))
NEEDS = {"Prescott": set(), "Haswell": {"avx2", "fma"}, "SkylakeX": {"avx512f"}}
"""Kernels of OpenBLAS, with the instructions that a processor needs to run them."""


def variants():
    instructions = {*environment()["instructions"]}
    for core, needed in NEEDS.items():
        missing = platform.machine() not in ("x86_64", "AMD64") or not needed <= instructions
        skip = pytest.mark.skipif(missing, reason=f"the processor does not run {core}'s kernels")
        yield pytest.param({"OPENBLAS_CORETYPE": core}, id=core, marks=skip)
    for number in ("1", "2"):
        yield pytest.param({"OPENBLAS_NUM_THREADS": number}, id=f"{number} threads")
    skip = pytest.mark.skipif(not DISPATCHED, reason="NumPy has one kernel for each operation")
    off = {"NPY_DISABLE_CPU_FEATURES": DISPATCHED}
    yield pytest.param(off, id="NumPy's baseline", marks=skip)
    skip = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another")
    off = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-AVX2_Usable,-FMA_Usable"}
    yield pytest.param(off, id="glibc's baseline", marks=skip)


@pytest.fixture(scope="module")
def drawn():
    lines = []
    for name in world_names():
        for index in INDICES:
            for array in render(load_world(name), 1, index):
                lines.append(f"{name} {index} {hashlib.sha256(array.tobytes()).hexdigest()}")
    return lines


@pytest.mark.parametrize("variables", [*variants()])
def test_all_worlds_are_the_same_bytes_whichever_kernels_the_libraries_choose(drawn, variables):
    run = subprocess.run(
        [sys.executable, "-c", DRAW], env={**os.environ, **variables},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.splitlines() == drawn


METHODS = {"dot", "mean", "std", "var"}
CHOSEN = METHODS | {
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "float_power", "cbrt"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh"),
    *("hypot", "fft", "linalg", "vdot", "inner", "outer", "matmul", "tensordot", "einsum"),
    *("convolve", "correlate", "interp", "average"),
}
"""Names in NumPy, and of them those of methods, whose last bit may depend on the kernel."""


def chosen_in(node):
    """The operations in a piece of code whose last bit may depend on the kernel."""
    for each in ast.walk(node):
        if isinstance(each, ast.BinOp) and isinstance(each.op, ast.MatMult):
            yield "@"
        if isinstance(each, ast.Attribute):
            names = CHOSEN if getattr(each.value, "id", "") == "np" else METHODS
            if each.attr in names:
                yield each.attr


def test_operations_of_which_libraries_have_several_kernels_end_on_a_grid():
    found = set()
    for file in Path(synthetic.__file__).parent.glob("*.py"):
        for part in ast.parse(file.read_text("utf-8")).body:
            for name in chosen_in(part):
                calls = [getattr(c.func, "id", "") for c in ast.walk(part) if hasattr(c, "func")]
                assert "on_grid" in calls, f"{file.name}: {name} in line {part.lineno}"
                found.add(name)
    assert found == {"fft", "power", "std"}
    assert {*chosen_in(ast.parse("a @ b; np.exp(c); d.mean(); math.exp(1)"))} == {
        "@",
        "exp",
        "mean",
    }


def test_no_value_lies_so_near_the_middle_of_the_grid_that_a_kernel_moves_it(monkeypatch):
    nearest = []

    def watch(values, steps):
        parts = np.abs(values * steps % 1 - 0.5) / steps
        nearest.append(parts.min() / np.abs(values).max())
        return arithmetic.on_grid(values, steps)

    caches = (surfaces.tile, weather._tone_curve)
    for module, cache in zip((surfaces, weather), caches, strict=True):
        monkeypatch.setattr(module, "on_grid", watch)
        cache.cache_clear()
    try:
        for name in world_names():
            for index in INDICES:
                render(load_world(name), 1, index)
    finally:
        for cache in caches:
            cache.cache_clear()
    assert len(nearest) == 11  # ten textures and the tone curve
    # Two kernels for float64 differ by some 1e-16 of the value.
    assert min(nearest) > 1e-14


def test_exp_is_that_of_float64_but_for_the_last_digits():
    values = np.linspace(-87, 88, 1_000_001).astype(np.float32)
    expected = np.exp(values.astype(np.float64))
    found = arithmetic.exp(values)
    assert found.dtype == np.float32
    assert (np.abs(found - expected) <= 3 * np.spacing(expected.astype(np.float32))).all()
    assert arithmetic.exp(np.zeros(1)) == 1
    low, high = arithmetic.exp(np.array([-1e9, 1e9]))
    assert 0 < low < 2e-38
    assert 1e38 < high < np.inf


def test_cos_of_turns_is_the_cosine():
    turns = np.linspace(-9, 9, 1_000_001).astype(np.float32)
    expected = np.cos(2 * np.pi * turns.astype(np.float64))
    np.testing.assert_allclose(arithmetic.cos_of_turns(turns), expected, atol=2e-7)


def test_scalar_products_and_lengths_are_those_of_numpy():
    rng = np.random.default_rng(0)
    vectors, other = rng.normal(size=(4, 7, 3)), rng.normal(size=3)
    np.testing.assert_allclose(arithmetic.dot(vectors, other), vectors @ other, rtol=1e-13)
    lengths = np.linalg.norm(vectors, axis=-1)
    np.testing.assert_allclose(arithmetic.lengths(vectors), lengths, rtol=1e-15)
    assert arithmetic.dot(np.zeros((2, 3), np.float32), (1.0, 2.0, 3.0)).dtype == np.float32


def test_the_grid_is_that_of_the_steps():
    assert arithmetic.on_grid(np.array([0.26, -0.26, 0.3751]), 4).tolist() == [0.25, -0.25, 0.5]
