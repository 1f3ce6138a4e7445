"""Arithmetic on arrays whose bits do not depend on the processor.

BLAS chooses a kernel for a matrix product by the kind of processor, NumPy one for `exp`, `cos` and
powers, and kernels differ in the last bit. What is drawn is therefore computed by sums, products,
quotients and square roots of elements, which IEEE 754 fixes to the bit, in an order that the code
fixes. What a library computes nevertheless, powers and a Fourier transform of constants, is rounded
by `on_grid`. A test reads the package's code for both.
"""

import math
from collections.abc import Sequence

import numpy as np

_LN_2 = (0.693359375, -2.12194440054690583e-4)
"""The natural logarithm of 2 in two parts; a small whole number times the first is exact."""
_EXP = (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0)
"""Taylor's series of exp, the highest power first; its error is 2e-7 where |x| <= ln 2 / 2."""
_SIN = tuple((-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(6))
"""Taylor's series of sin(2 pi x), the lowest power first; its error is 6e-8 where |x| <= 1 / 4."""


def dot(vectors: np.ndarray, other: np.ndarray | Sequence[float]) -> np.ndarray:
    """Computes scalar products, float (...).

    Args:
        vectors: float (..., k), vectors.
        other: (k,), a vector; or (k, ...), the components of as many vectors.
    """
    total = vectors[..., 0] * other[0]
    for axis in range(1, vectors.shape[-1]):
        total += vectors[..., axis] * other[axis]
    return total


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Computes the lengths of vectors, float (..., k)."""
    return np.sqrt(dot(vectors, np.moveaxis(vectors, -1, 0)))


def exp(values: np.ndarray) -> np.ndarray:
    """Computes the exponential function, float32, to three units in the last place.

    Args:
        values: float (...); beyond -87 and 88 the results are those of these bounds.
    """
    rest = np.clip(values, -87, 88).astype(np.float32)
    power = np.rint(rest * np.float32(1 / math.log(2)))
    for part in _LN_2:
        rest -= power * np.float32(part)
    result = np.full_like(rest, _EXP[0])
    for coefficient in _EXP[1:]:
        result *= rest
        result += np.float32(coefficient)
    # 2 ** power, by the bits of its exponent.
    result *= ((power.astype(np.int32) + 127) << 23).view(np.float32)
    return result


def cos_of_turns(turns: np.ndarray) -> np.ndarray:
    """Computes cos(2 pi x), float32, to 2e-7.

    Args:
        turns: float32 (...), number of whole turns, x.
    """
    # cos(2 pi x) = sin(2 pi (1/4 - |x|)) where |x| <= 1/2.
    quarter = np.float32(0.25) - np.abs(turns - np.rint(turns))
    square = quarter * quarter
    result = np.full_like(quarter, _SIN[-1])
    for coefficient in _SIN[-2::-1]:
        result *= square
        result += np.float32(coefficient)
    result *= quarter
    return result


def on_grid(values: np.ndarray, steps: int) -> np.ndarray:
    """Rounds values to multiples of 1 / `steps`.

    The last bits of what a library has computed are lost, and so is its choice of a kernel, but for
    values that lie as near to the middle of two multiples as kernels differ.

    Args:
        values: float64 (...).
        steps: number of multiples in 1, a power of 2.
    """
    return np.rint(values * steps) / steps
