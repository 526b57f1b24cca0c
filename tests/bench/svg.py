"""svg.py - plain plots without a plotting package: lines over two axes, and bars.

    plot = Plot("title", Axis("arrivals a second", 0, 2000), Axis("goodput", 0, 500))
    plot.line("gatecast", [(100, 100), …])          plot.text() ─► the file
"""
import html
import math

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 40, 50
COLOURS = ["#1b6ca8", "#d1495b", "#2e8b57", "#b07d12", "#6b4fa0", "#666666"]
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


def number(value):
    """As short as an axis wants it."""
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    if value >= 1e3:
        return f"{value / 1e3:g} k"
    return f"{value:g}"


class Axis:
    def __init__(self, label, low, high, log=False):
        self.label, self.low, self.high, self.log = label, low, high, log

    def place(self, value):
        """0 … 1"""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self):
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [m * 10.0 ** d for d in decades for m in (1, 2, 5) if self.low <= m * 10.0 ** d <= self.high]
            return found if len(found) <= 8 else [t for t in found if math.log10(t).is_integer()]
        step = 10 ** math.floor(math.log10((self.high - self.low) / 4))
        step = next(step * m for m in (1, 2, 5, 10) if (self.high - self.low) / (step * m) <= 6)
        return [self.low + i * step for i in range(int((self.high - self.low) / step + 1e-9) + 1)]


def around(values, log=False):
    """The limits of an axis that holds these."""
    low, high = min(values), max(values)
    return (low / 1.2, high * 1.2) if log else (0, high * 1.08)


def words(x, y, text, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {FONT} fill="#222" {extra}>{html.escape(text)}</text>'


def segment(x1, y1, x2, y2, colour="#ddd", extra=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {extra}/>'


def document(width, height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"',
        'role="img">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        words(LEFT, 22, title, "start", 'font-weight="bold"'), *parts, "</svg>", ""])


class Plot:
    def __init__(self, title, x, y):
        self.title, self.x, self.y, self.parts, self.named = title, x, y, [], 0

    def at(self, x, y):
        across, up = self.x.place(x) * (WIDTH - LEFT - RIGHT), self.y.place(y) * (HEIGHT - TOP - BOTTOM)
        return LEFT + across, HEIGHT - BOTTOM - up

    def line(self, name, points, dashed=False):
        """Its name stands to the right, below those before."""
        colour = COLOURS[self.named % len(COLOURS)]
        places = [self.at(*p) for p in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dash = 'stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {dash}/>')
        if not dashed:
            self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = WIDTH - RIGHT + 12, TOP + 14 + 18 * self.named
        self.parts.append(segment(x, y - 4, x + 20, y - 4, colour, f'stroke-width="2" {dash}'))
        self.parts.append(words(x + 26, y, name, "start"))
        self.named += 1

    def axes(self):
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for tick in self.x.ticks():
            x, _ = self.at(tick, self.y.low)
            yield segment(x, TOP, x, bottom)
            yield words(x, bottom + 16, number(tick))
        for tick in self.y.ticks():
            _, y = self.at(self.x.low, tick)
            yield segment(LEFT, y, right, y)
            yield words(LEFT - 6, y + 4, number(tick), "end")
        yield segment(LEFT, bottom, right, bottom, "#222")
        yield segment(LEFT, TOP, LEFT, bottom, "#222")
        yield words((LEFT + right) / 2, HEIGHT - 12, self.x.label)
        middle = (TOP + bottom) / 2
        yield words(16, middle, self.y.label, "middle", f'transform="rotate(-90 16 {middle})"')

    def text(self):
        return document(WIDTH, HEIGHT, self.title, [*self.axes(), *self.parts])


ROW, NAMES = 18, 240


def bar(x, y, length, colour, text):
    yield f'<rect x="{x}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" fill="{colour}"/>'
    yield words(x + length + 5, y + ROW - 5, text, "start")


def key(names):
    for i, name in enumerate(names):
        yield f'<rect x="{NAMES + 110 * i}" y="{TOP - 6}" width="12" height="12" fill="{COLOURS[i]}"/>'
        yield words(NAMES + 110 * i + 18, TOP + 4, name, "start")


def bars(title, groups, names, text, mark=None):
    """groups: (what, a value for each name, or None). text(value) stands behind a bar; mark: where a line is drawn."""
    high = max(v for _, values in groups for v in values if v is not None) * 1.12
    span = WIDTH - NAMES - 50
    y = top = TOP + (24 if len(names) > 1 else 0)
    parts = [*key(names)] if len(names) > 1 else []
    for what, values in groups:
        shown = [(COLOURS[i], value) for i, value in enumerate(values) if value is not None]
        parts.append(words(NAMES - 8, y + ROW * len(shown) / 2 + 4, what, "end"))
        for colour, value in shown:
            parts += bar(NAMES, y, span * value / high, colour, text(value))
            y += ROW
        y += 10
    if mark is not None:
        x = NAMES + span * mark / high
        parts.append(segment(x, top, x, y - 10, "#222", 'stroke-dasharray="3 3"'))
    return document(WIDTH, y + 10, title, parts)
