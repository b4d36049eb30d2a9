"""Sections on what was measured: changes, the networks side by side, pairs of them."""

from typing import Any

from fashion_cnn.base.models import MODELS
from fashion_cnn.tools.report import charts
from fashion_cnn.tools.report.blocks import Cell, Chart, Section, Table
from fashion_cnn.tools.report.compare import METRICS, TITLES, Comparison, Metric
from fashion_cnn.tools.report.revision import MissingError, Revision
from fashion_cnn.tools.report.statistics import LEVEL, Change

SHARE = {metric.name: metric for metric in METRICS}["accuracy"]


def changes(comparison: Comparison) -> Section:
    """Return each number's change against the baseline, and whether it is more than noise."""
    title = f"Against {comparison.baseline.title}"
    if comparison.same:
        lead = (
            "The baseline is this very commit: nothing differs. Name another with --baseline, or "
            "make report BASELINE=..."
        )
        return Section("changes", title, lead, [_changes(comparison)], [])
    lead = (
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


def networks(comparison: Comparison) -> Section:
    """Return the networks' numbers side by side."""
    now = comparison.now
    rows: list[list[Cell | str]] = [
        [metric.title, *(_cell(comparison, model, metric) for model in MODELS)]
        for metric in METRICS
    ]
    notes = []
    if now.is_workspace:
        rows += _speeds(now)
    else:
        notes.append("Seconds and images a second differ from run to run: no commit holds them")
    lead = "The same test images for all three, read once, in evaluate."
    table = Table("The networks side by side", ("", *TITLES.values()), rows)
    return Section("networks", "Three networks side by side", lead, [table], notes)


def pairs(revision: Revision) -> Section:
    """Return McNemar's test between the networks."""
    title = "One network against another"
    try:
        found = revision.json("metrics/compare_models.json")
        rows = [_pair(values) for values in found["pairs"]]
        lead = (
            "Of the images that exactly one of two networks gets right, how many each does. "
            f"All three are wrong about {found['all_wrong']:,} of {found['images']:,} images."
        )
    except MissingError as missing:
        return Section("pairs", title, "", [], [str(missing)])
    except (KeyError, TypeError, ValueError, AttributeError):
        return Section("pairs", title, "", [], ["metrics/compare_models.json cannot be read"])
    chart = Chart(
        caption="Images that one network alone gets right",
        label="McNemar's test: " + "; ".join(row.tip.replace("\n", ", ") for row in rows),
        svg=charts.pairs(rows),
    )
    table = Table(
        "McNemar's exact test",
        ("Networks", "First alone right", "Second alone right", "p"),
        [
            (
                " and ".join(row.names),
                *(f"{count:,}" for count in row.counts),
                _p(float(values["p_value"])),
            )
            for row, values in zip(rows, found["pairs"], strict=True)
        ],
    )
    return Section("pairs", title, lead, [chart, table])


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
        below += f", {_p(change.p_value, sign=True)}"
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


def _cell(comparison: Comparison, model: str, metric: Metric) -> Cell:
    values = comparison.metrics[model]
    value = values.get(metric.name)
    low, high = values.get(f"{metric.name}_low"), values.get(f"{metric.name}_high")
    below = "" if low is None or high is None else f"{100 * low:.2f} to {100 * high:.2f}"
    exact = "" if value is None else f"{value:,}"
    return Cell(metric.show(value), below, title=exact)


def _speeds(revision: Revision) -> list[list[Cell | str]]:
    """Return what runs/ holds of the last training and evaluation."""
    rows: list[list[Cell | str]] = [
        ["Training, seconds"],
        ["Evaluation, images a second"],
        ["One image, milliseconds"],
    ]
    for model in MODELS:
        try:
            seconds = sum(row["seconds"] for row in revision.json(f"runs/{model}/timing.json"))
            rows[0].append(f"{seconds:,.0f}")
        except (MissingError, KeyError, TypeError):
            rows[0].append("–")
        speed: dict[str, Any] = revision.metrics(f"runs/{model}/evaluate.json")
        many, one = speed.get("images_per_second"), speed.get("milliseconds_per_image")
        rows[1].append("–" if many is None else f"{many:,.0f}")
        rows[2].append("–" if one is None else f"{one:.2f}")
    return [row for row in rows if set(row[1:]) != {"–"}]


def _pair(values: dict[str, Any]) -> charts.Pair:
    first, second = values["first"], values["second"]
    names = TITLES[first], TITLES[second]
    counts = int(values["first_only_right"]), int(values["second_only_right"])
    alone = ", ".join(f"{name} alone right: {n:,}" for name, n in zip(names, counts, strict=True))
    p_value = float(values["p_value"])
    verdict = "more than noise" if p_value < LEVEL else "within noise"
    tip = f"{alone}\n{verdict}, {_p(p_value, sign=True)}"
    return charts.Pair(names, (first, second), counts, tip)


def _points(difference: float) -> str:
    return SHARE.show_difference(difference)


def _p(value: float, sign: bool = False) -> str:
    shown = "< 0.001" if value < 0.001 else f"{'= ' if sign else ''}{value:.3f}"
    return f"p {shown}" if sign else shown
