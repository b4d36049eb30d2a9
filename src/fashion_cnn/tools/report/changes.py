"""The section on what changed against the baseline, and whether it is more than noise."""

from fashion_cnn.tools.report import charts
from fashion_cnn.tools.report.blocks import Cell, Chart, Section, Table
from fashion_cnn.tools.report.comparison import METRICS, TITLES, Comparison, Metric
from fashion_cnn.tools.report.numbers import p_words
from fashion_cnn.tools.report.statistics import Change

SHARE = {metric.name: metric for metric in METRICS}["accuracy"]


def changes(comparison: Comparison) -> Section:
    """Return each number's change against the baseline, and whether it is more than noise."""
    if comparison.same:
        lead = (
            "The baseline is this very commit: nothing differs. Name another with --baseline, or "
            "make report BASELINE=..."
        )
        return Section("changes", "What changed", lead, [])
    differ = ", ".join(comparison.differences[:3]) or "nothing that a result depends on"
    more = len(comparison.differences) - 3
    title = f"What changed: {differ}" + (f", and {more} more" if more > 0 else "")
    lead = (
        f"Against {comparison.baseline.title}. "
        "More than noise: unlikely (5%, adjusted for the number of tests) if both revisions were "
        "equally good, by a test paired by image where both revisions' predictions are in the "
        "cache, else where 95% intervals do not overlap. The noise is that of the images; another "
        "seed would add its own."
    )
    rows = []
    for model, found in comparison.changes.items():
        change = found.get("accuracy")
        if change and change.low is not None and change.high is not None:
            tip = f"{_points(change.difference)} ({_points(change.low)} to {_points(change.high)})"
            dot = charts.Dot(model, model, change.difference, change.low, change.high, tip)
            rows.append((TITLES[model], [dot]))
    figures: list[Chart | Table] = [_changes(comparison)]
    if rows:
        ends = [v for _, (dot,) in rows for v in (dot.low or 0.0, dot.high or 0.0)]
        figures.insert(
            0,
            Chart(
                caption="Change in test accuracy, with its 95% interval",
                label="Change in test accuracy: "
                + "; ".join(f"{name} {dot.tip}" for name, (dot,) in rows),
                # Never so near that a tenth of a point looks like much.
                svg=charts.dots(rows, "change in accuracy", [-0.005, 0.005, *ends], zero=True),
            ),
        )
    return Section("changes", title, lead, figures, comparison.notes)


def _changes(comparison: Comparison) -> Table:
    rows: list[tuple[str | Cell, ...]] = []
    for metric in METRICS:
        cells = []
        for found in comparison.changes.values():
            change = found.get(metric.name)
            cells.append(_change(metric, change) if change else Cell("–"))
        rows.append((metric.title, *cells))
    return Table("Every number's change", ("", *TITLES.values()), rows)


def _change(metric: Metric, change: Change) -> Cell:
    before, after = metric.show(change.before), metric.show(change.after)
    below = change.verdict
    if change.p_value is not None and change.difference:
        below += f", {p_words(change.p_value, sign=True)}"
    return Cell(
        metric.show_difference(change.difference),
        below,
        _mark(metric, change),
        f"{before} to {after}; {change.test}",
    )


def _mark(metric: Metric, change: Change) -> str:
    if not change.significant or not metric.better or not change.difference:
        return ""
    return "better" if change.difference * metric.better > 0 else "worse"


def _points(difference: float) -> str:
    return SHARE.show_difference(difference)
