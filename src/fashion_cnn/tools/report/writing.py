"""Two revisions of the project as one page: report.html, and report.md in short."""

from contextlib import closing
from pathlib import Path

from fashion_cnn.base.files import write_text, written_atomically
from fashion_cnn.tools.report import changes, data, diagrams, drawn, numbers, page, provenance
from fashion_cnn.tools.report.blocks import Section
from fashion_cnn.tools.report.comparison import Comparison, compare
from fashion_cnn.tools.revision import Revision

IMAGES = "report_images"


def write(root: Path, revision: str, baseline: str, output: Path) -> list[Path]:
    """Write report.html and report.md, with its images beside it, into `output`; return both.

    `revision` and `baseline` are "workspace", or what git or DVC call a revision.
    """
    with closing(Revision(root, revision)) as now, closing(Revision(root, baseline)) as before:
        comparison = compare(now, before)
        sections = sections_of(comparison)
        pictures = page.images(comparison, sections)
    for name, content in pictures.items():
        with written_atomically(output / IMAGES / name) as unfinished:
            unfinished.write_bytes(content)
    for path in (output / IMAGES).glob("*"):
        if path.name not in pictures:
            path.unlink()
    write_text(output / "report.html", page.html(comparison, sections))
    write_text(output / "report.md", page.markdown(comparison, sections, IMAGES))
    return [output / "report.html", output / "report.md"]


def sections_of(comparison: Comparison) -> list[Section]:
    """Return the page's sections, in order."""
    now = comparison.now
    return [
        numbers.networks(comparison),
        numbers.pairs(comparison),
        drawn.kernels(comparison),
        drawn.feature_maps(comparison),
        drawn.attention(comparison),
        drawn.mistakes(comparison),
        drawn.confusion(comparison),
        diagrams.classes(comparison),
        drawn.calibration(comparison),
        diagrams.curves(comparison),
        changes.changes(comparison),
        data.data(comparison),
        provenance.settings(comparison),
        provenance.pipeline_of(now),
        provenance.provenance(now),
    ]
