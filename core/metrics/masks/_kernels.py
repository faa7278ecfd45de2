"""Compiled loops behind the distances of borders; nothing here is public.

A row of a mask is kept as bits, 64 pixels a word, with zero words, rows and slices around it, so that a border is a handful of
bit operations on whole words. Distances are found in two steps. *Near*: for each offset to a neighbour, nearest first, the border
pixels that have the other border there are counted and struck off, all pixels of a word at once. *Far*: for the pixels left over,
distances along rows are written out for every row of the other border, and the best row is looked for outwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Compiled = TypeVar("Compiled", bound=Callable[..., Any])
Words = NDArray[np.uint64]
Places = NDArray[np.int64]
Numbers = NDArray[np.float64]
Layout = tuple[int, int, int, int, int]


def compiled(function: Compiled) -> Compiled:
    """The function as machine code, kept on disk between processes where a folder can be written, else for this process only."""
    made: Any
    try:
        made = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no folder to keep it in
        made = njit(nogil=True, error_model="numpy")(function)
    return made


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the compiler writes in place of a call: one instruction of the processor."""
    built: Callable[..., Any] = intrinsic(function)
    return built


@instruction
def _zeros_below(typing: Any, word: Any) -> Any:
    """Zero bits below the lowest set bit; of an empty word, whatever comes."""

    def build(context: Any, builder: Any, _: Any, args: Any) -> Any:
        return builder.cttz(args[0], context.get_constant(types.boolean, True))

    return types.int64(types.uint64), build


@instruction
def _ones(typing: Any, word: Any) -> Any:
    """Set bits."""
    return types.int64(types.uint64), lambda _, builder, __, args: builder.ctpop(args[0])


@instruction
def _lower(typing: Any, value: Any, other: Any) -> Any:
    """The lower of two numbers, in the form that lets the compiler take many at a time."""

    def build(_: Any, builder: Any, __: Any, args: Any) -> Any:
        flags = ("nnan", "nsz")
        return builder.select(builder.fcmp_ordered("<", *args, flags=flags), *args, flags=flags)

    return types.float64(types.float64, types.float64), build


@compiled
def _box(words: Words, others: Words) -> Places:
    """First and behind-last slice, row and word that hold a bit of either mask; all 0 where none does."""
    depth, height, across = words.shape
    box = np.zeros(6, np.int64)
    box[0], box[2], box[4] = depth, height, across
    for z in range(depth):
        for y in range(height):
            for at in range(across):
                if words[z, y, at] | others[z, y, at]:
                    box[0], box[1] = min(box[0], z), z + 1
                    box[2], box[3] = min(box[2], y), max(box[3], y + 1)
                    box[4], box[5] = min(box[4], at), max(box[5], at + 1)
    return box


@compiled
def _padded(words: Words, box: Places, layout: Layout) -> Words:
    """The words of a box, one behind the other, with zeros around: see ``_layout``."""
    slices, rows, row, plane, size = layout
    padded = np.zeros(size, np.uint64)
    for z in range(box[1] - box[0]):
        for y in range(box[3] - box[2]):
            start = (z + slices) * plane + (y + rows) * row
            for at in range(box[5] - box[4]):
                padded[start + at] = words[box[0] + z, box[2] + y, box[4] + at]
    return padded


@compiled
def _layout(box: Places, reach: Places) -> Layout:
    """Zero slices before and behind, zero rows before each slice, words a row (the last is zero), words a slice, all words."""
    depth, height, across = box[1] - box[0], box[3] - box[2], box[5] - box[4]
    slices, rows, row = reach[0], reach[1], across + 1
    plane = (height + rows) * row
    return slices, rows, row, plane, (depth + 2 * slices) * plane + rows * row


@compiled
def _inside(layout: Layout) -> tuple[int, int]:
    """Words between the zeros in front and those behind."""
    slices, rows, row, plane, size = layout
    return slices * plane + rows * row, size - slices * plane - rows * row


@compiled
def _border(mask: Words, layout: Layout, planar: bool) -> Words:
    """Pixels with a neighbour outside the mask across a face; slices on their own have no neighbours in other slices."""
    row, plane = layout[2], 0 if planar else layout[3]
    first, last = _inside(layout)
    border = np.zeros(len(mask), np.uint64)
    here, there = mask[first:last], border[first:last]
    before, behind = mask[first - 1 : last - 1], mask[first + 1 : last + 1]
    above, below = mask[first - row : last - row], mask[first + row : last + row]
    under, over = mask[first - plane : last - plane], mask[first + plane : last + plane]
    one, end = np.uint64(1), np.uint64(63)
    for at in range(last - first):
        word = here[at]
        beside = ((word << one) | (before[at] >> end)) & ((word >> one) | (behind[at] << end))
        there[at] = word & ~(beside & above[at] & below[at] & under[at] & over[at])
    return border


@compiled
def _count(words: Words) -> int:
    total = 0
    for at in range(len(words)):
        total += _ones(words[at])
    return total


@compiled
def _count_both(words: Words, others: Words) -> int:
    total = 0
    for at in range(len(words)):
        total += _ones(words[at] & others[at])
    return total


@compiled
def _move(border: Words, moved: Words, pixels: int) -> None:
    """Writes the pixels that have the border that many pixels to the left or to the right."""
    here, before, behind, there = border[1:-1], border[:-2], border[2:], moved[1:-1]
    # A shift by 64 is not defined: two shifts make up the one by 64 - pixels.
    near, far, one = np.uint64(pixels), np.uint64(63 - pixels), np.uint64(1)
    for at in range(len(here)):
        word = here[at]
        there[at] = (word << near) | ((before[at] >> one) >> far) | (word >> near) | ((behind[at] << one) << far)


@compiled
def _sideways(border: Words, most: int) -> Words:
    """(most + 1, words): pixels that have the border k pixels to the left or to the right."""
    moved = np.zeros((most + 1, len(border)), np.uint64)
    for pixels in range(most + 1):
        _move(border, moved[pixels], pixels)
    return moved


@compiled
def _strike(left: Words, moved: Words, first: int, last: int, offset: int) -> int:
    """Strikes off the pixels with the border at plus or minus an offset of rows and slices; how many they were."""
    here, up, down = left[first:last], moved[first - offset : last - offset], moved[first + offset : last + offset]
    struck = 0
    for at in range(last - first):
        hits = here[at] & (up[at] | down[at])
        here[at] ^= hits
        struck += _ones(hits)
    return struck


@compiled
def _near(left: Words, moved: Words, layout: Layout, offsets: Places, counts: Places) -> int:
    """Pixels by offset to the nearest border, into ``counts``; they are struck off ``left``. How many remain."""
    row, plane = layout[2], layout[3]
    first, last = _inside(layout)
    remain = _count(left)
    for k in range(len(offsets)):
        if remain == 0:
            break
        z, y, x = offsets[k, 0], offsets[k, 1], offsets[k, 2]
        counts[k] = _strike(left, moved[x], first, last, z * plane + y * row)
        if z and y:
            counts[k] += _strike(left, moved[x], first, last, z * plane - y * row)
        remain -= counts[k]
    return remain


@compiled
def _places(words: Words, layout: Layout, count: int) -> Places:
    """(pixels, 3) slice, row and column of the set bits, in scan order."""
    slices, rows, row, plane, size = layout
    places = np.empty((count, 3), np.int64)
    at = 0
    for start in range(len(words)):
        word = words[start]
        while word != 0:
            z, inside = divmod(start, plane)
            y, across = divmod(inside, row)
            places[at, 0], places[at, 1], places[at, 2] = z - slices, y - rows, across * 64 + _zeros_below(word)
            word &= word - np.uint64(1)
            at += 1
    return places


@compiled
def _starts(places: Places, depth: int, height: int) -> Places:
    """Where each row of each slice begins in the list of places."""
    starts = np.zeros(depth * height + 1, np.int64)
    for at in range(len(places)):
        starts[places[at, 0] * height + places[at, 1] + 1] += 1
    for row in range(depth * height):
        starts[row + 1] += starts[row]
    return starts


@compiled
def _far(left: Places, other: Places, depth: int, height: int, planar: bool, steps: Numbers) -> Numbers:
    """Squared distance of the places ``left`` to the nearest of the places ``other``; infinity where none may be reached."""
    found = np.empty(len(left))
    starts, rows, columns = _starts(other, depth, height), np.empty(len(other)), np.empty(len(other))
    for at in range(len(other)):
        rows[at], columns[at] = other[at, 1], other[at, 2]
    for at in range(len(left)):
        z, y, x = left[at, 0], left[at, 1], left[at, 2]
        best, most = np.inf, np.inf
        if at and (not planar or left[at - 1, 0] == z):
            # No pixel is further away than the one before it was, plus the way between the two.
            most = (np.sqrt(found[at - 1]) + _way(left[at], left[at - 1], steps)) ** 2 * (1 + 1e-9)
        for away in range(1 if planar else max(z, depth - 1 - z) + 1):
            across = (steps[0] * away) ** 2
            if across > min(best, most):
                break
            reach = np.sqrt(max(min(best, most) - across, 0.0)) / steps[1] + 1
            low, high = int(max(0, y - reach)), int(min(height, y + reach + 1))
            if z - away >= 0:
                first, last = starts[(z - away) * height + low], starts[(z - away) * height + high]
                best = min(best, _least(rows[first:last], columns[first:last], y, x, across, steps))
            if away and z + away < depth:
                first, last = starts[(z + away) * height + low], starts[(z + away) * height + high]
                best = min(best, _least(rows[first:last], columns[first:last], y, x, across, steps))
        found[at] = best
    return found


@compiled
def _way(place: Places, other: Places, steps: Numbers) -> float:
    return np.sqrt(
        (steps[0] * (place[0] - other[0])) ** 2
        + (steps[1] * (place[1] - other[1])) ** 2
        + (steps[2] * (place[2] - other[2])) ** 2
    )


@compiled
def _least(rows: Numbers, columns: Numbers, y: float, x: float, across: float, steps: Numbers) -> float:
    """Least squared distance to pixels of a slice that is ``across`` (squared) away."""
    best, down, along, y, x = np.inf, steps[1], steps[2], float(y), float(x)
    for at in range(len(rows)):
        squared = (across + (down * (y - rows[at])) ** 2) + (along * (x - columns[at])) ** 2
        best = _lower(squared, best)
    return best


@compiled
def _nth(values: Numbers, n: int) -> float:
    """The value with ``n`` lower ones; values change places."""
    first, last = 0, len(values) - 1
    while first < last:
        middle, low, high = values[(first + last) // 2], first, last
        while low <= high:
            while values[low] < middle:
                low += 1
            while values[high] > middle:
                high -= 1
            if low <= high:
                values[low], values[high] = values[high], values[low]
                low, high = low + 1, high - 1
        if n > high and n < low:
            break
        first, last = (first, high) if n <= high else (low, last)
    return values[n]


@compiled
def _value_at(place: int, squared: Numbers, counts: Places, far: Numbers) -> float:
    """The distance with that many below it."""
    for k in range(len(counts)):
        place -= counts[k]
        if place < 0:
            return np.sqrt(squared[k])
    return np.sqrt(_nth(far, place))


@compiled
def _summary(squared: Numbers, counts: Places, far: Numbers, tolerance: float, summary: Numbers) -> None:
    """Fills ``summary``: pixels with a distance, near ones, sum, 95th percentile and largest (NaN where no pixel has one).

    Args:
        counts: pixels by the squared distances of the offsets; far: squared distances beyond them, infinity where none.
    """
    n, near, total = 0, 0, 0.0
    for k in range(len(counts)):
        distance = np.sqrt(squared[k])
        n, total = n + counts[k], total + counts[k] * distance
        near += counts[k] if distance <= tolerance else 0
    for at in range(len(far)):
        distance = np.sqrt(far[at])
        if distance < np.inf:
            n, total = n + 1, total + distance
            near += 1 if distance <= tolerance else 0
    summary[0], summary[1], summary[2], summary[3], summary[4] = n, near, total, np.nan, np.nan
    if n:
        summary[3], summary[4] = _percentile(int(summary[0]), squared, counts, far), _value_at(n - 1, squared, counts, far)


@compiled
def _percentile(n: int, squared: Numbers, counts: Places, far: Numbers) -> float:
    """The 95th percentile of n distances, between the two nearest as NumPy interpolates."""
    place = (n - 1) * 0.95
    below = int(place)
    low, high, part = (
        _value_at(below, squared, counts, far),
        _value_at(min(below + 1, n - 1), squared, counts, far),
        place - below,
    )
    return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part


@compiled
def _one_way(
    border: Words,
    other: Words,
    layout: Layout,
    size: tuple[int, int],
    planar: bool,
    most: int,
    offsets: Places,
    squared: Numbers,
    steps: Numbers,
    tolerance: float,
    summary: Numbers,
) -> None:
    """Fills ``summary`` with the distances from each pixel of a border to the other border."""
    counts = np.zeros(len(offsets), np.int64)
    left, far = np.empty(len(border), np.uint64), np.empty(0)
    for at in range(len(border)):
        left[at] = border[at]
    remain = _near(left, _sideways(other, most), layout, offsets, counts)
    if remain:
        places = _places(left, layout, remain)
        far = _far(places, _places(other, layout, _count(other)), size[0], size[1], planar, steps)
    _summary(squared, counts, far, tolerance, summary)


@compiled
def judge_pairs(
    reference: Words,
    predicted: Words,
    planar: bool,
    tolerance: float,
    reach: Places,
    offsets: Places,
    squared: Numbers,
    steps: Numbers,
    out: Numbers,
) -> None:
    """Fills ``out`` (pairs, 10): pixels in both, of the reference, of the prediction; border pixels of either, near ones of
    either, HD95, HD, ASSD.

    Args:
        reference, predicted: (pairs, depth, height, words) bits of the masks.
        planar: whether slices are on their own.
        reach: most slices (0 where they are on their own, else 1 or more), rows (1 or more) and columns of an offset.
        offsets, squared: (k, 3) slices, rows and columns (0 or more) to a neighbour, and their squared distances, rising;
            every neighbour up to the last distance must be there, and none 64 columns away.
        steps: (3,) edge of a pixel along each axis.
    """
    there, back = np.empty(5), np.empty(5)
    for at in range(len(reference)):
        for place in range(10):
            out[at, place] = 0.0 if place < 7 else np.nan
        box = _box(reference[at], predicted[at])
        if box[1] == 0:
            continue
        layout, size = _layout(box, reach), (box[1] - box[0], box[3] - box[2])
        drawn, told = _padded(reference[at], box, layout), _padded(predicted[at], box, layout)
        out[at, 0], out[at, 1], out[at, 2] = _count_both(drawn, told), _count(drawn), _count(told)
        drawn, told = _border(drawn, layout, planar), _border(told, layout, planar)
        out[at, 3], out[at, 4] = _count(drawn), _count(told)
        if out[at, 3] == 0 or out[at, 4] == 0:
            continue
        _one_way(drawn, told, layout, size, planar, reach[2], offsets, squared, steps, tolerance, there)
        _one_way(told, drawn, layout, size, planar, reach[2], offsets, squared, steps, tolerance, back)
        out[at, 5], out[at, 6] = there[1], back[1]
        if there[0]:
            out[at, 7], out[at, 8] = max(there[3], back[3]), max(there[4], back[4])
            out[at, 9] = (there[2] + back[2]) / (there[0] + back[0])
