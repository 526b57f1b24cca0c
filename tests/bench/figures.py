"""figures.py - samples to figures, and figures to lines."""
import statistics


def summary(samples):
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples)}


def ratio(theirs, ours):
    """How many times as long they take: of neighbours in time, so that a slow moment of the machine strikes both."""
    return summary([t / o for t, o in zip(theirs, ours, strict=True)])


def text(value):
    """About three digits."""
    if value == 0 or abs(value) < 1e-3:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(value):
    return f"{value:.2f} ×"


def spread(figure):
    return f"{text(figure['median'])} ({text(figure['min'])} … {text(figure['max'])})"


def table(head, rows):
    """Lines of text, columns as wide as they have to be, the first to the left."""
    cells = [head, *[[str(c) for c in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        yield "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
