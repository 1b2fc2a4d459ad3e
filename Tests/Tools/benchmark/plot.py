"""The ratios of a table as a picture (SVG): a line for each row, a mark for each runner, on a scale of powers of ten."""

import html
import math

LEFT, RIGHT, TOP, STEP, BOTTOM = 270, 30, 70, 30, 40
WIDTH = 1000
COLOURS = ["#1a1a1a", "#c0392b", "#2471a3", "#1e8449", "#b9770e", "#7d3c98", "#5d6d7e", "#117a65"]
LEAST, MOST = 0.5, 1000


def ratios(results, everybody):
    """A picture of (row, samples by name) pairs; the first of `everybody` is what the others are compared with."""
    height = TOP + STEP * len(results) + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
             f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             '<text x="10" y="22" font-size="16" font-weight="bold">Times native: less is better</text>']
    parts += scale(height)
    parts += legend([runner.name for runner in everybody[1:]])
    for index, (row, samples) in enumerate(results):
        parts += line(row, samples, everybody, TOP + STEP * index + STEP // 2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def place(ratio):
    """Where a ratio is from left to right; what is beyond the scale is at its end."""
    ratio = min(max(ratio, LEAST), MOST)
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log(ratio / LEAST) / math.log(MOST / LEAST)


def scale(height):
    for ratio in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        x = place(ratio)
        shade = "#888888" if ratio == 1 else "#e4e4e4"
        yield f'<line x1="{x:.1f}" y1="{TOP - 5}" x2="{x:.1f}" y2="{height - BOTTOM + 5}" stroke="{shade}"/>'
        yield f'<text x="{x:.1f}" y="{height - BOTTOM + 22}" text-anchor="middle" fill="#444444">{ratio:g}</text>'


def legend(names):
    x = LEFT
    for index, name in enumerate(names):
        yield mark(x, 42, index, f"{name}")
        yield f'<text x="{x + 10}" y="46">{html.escape(name)}</text>'
        x += 30 + 7.2 * len(name)
    yield f'<line x1="{x:.1f}" y1="34" x2="{x:.1f}" y2="50" stroke="{COLOURS[0]}" stroke-width="3"/>'
    yield f'<text x="{x + 8:.1f}" y="46">target</text>'


def mark(x, y, index, title):
    colour = COLOURS[index % len(COLOURS)]
    inside = f"<title>{html.escape(title)}</title>"
    if index == 0:
        return f'<path d="M{x:.1f} {y - 8} l8 8 l-8 8 l-8 -8 z" fill="{colour}">{inside}</path>'
    return f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{colour}" fill-opacity="0.8">{inside}</circle>'


def line(row, samples, everybody, y):
    yield f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{html.escape(row.title)}</text>'
    yield f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#eeeeee"/>'
    if row.target:
        x = place(row.target)
        yield f'<line x1="{x:.1f}" y1="{y - 9}" x2="{x:.1f}" y2="{y + 9}" stroke="{COLOURS[0]}" stroke-width="3"/>'
    native = samples[everybody[0].name]
    # vmrun comes last, above the others.
    for index in reversed(range(len(everybody) - 1)):
        sample = samples[everybody[index + 1].name]
        found = sample.ratio(native)
        if found:
            yield mark(place(found[0]), y, index, f"{everybody[index + 1].name}: {found[0]:.2f}")
