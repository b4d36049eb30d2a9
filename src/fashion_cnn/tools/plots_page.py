"""The page that `dvc plots show` fills: with Vega in it, so that it opens without a network.

DVC's own page takes Vega from a host, and without one shows nothing. `make environment` writes this
one into the environment, where .dvc/config names it.
"""

import sys
from pathlib import Path

import vl_convert

from fashion_cnn.base.files import write_text

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh_tag}
<title>Plots of the run</title>
<link rel="icon" href="data:,">
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 1.5rem; color: #20242a; background: #fff; }
body > div { margin: 0 0 1.5rem; overflow-x: auto; }
body > div { border: 0 !important; text-align: left !important; }
body > div > p { font-weight: 600; margin: 0; }
body img { max-width: 100%; }
</style>
<script>VEGA</script>
</head>
<body>
{plot_divs}
<script>
// DVC names pictures by their files, and sorts layers by their letters.
const natural = new Intl.Collator("en", { numeric: true });
const pictures = [...document.querySelectorAll("body > div")].filter(
  (div) => div.firstElementChild?.textContent.includes("plots/"));
const path = (div) => div.firstElementChild.textContent.replace(/^.*plots\\//, "");
pictures.sort((one, other) => natural.compare(path(one), path(other)));
for (const div of pictures) {
  document.body.append(div);
  div.firstElementChild.title = div.firstElementChild.textContent;
}
for (const div of pictures) {
  const [kind, model, ...rest] = path(div).replace(/\\.png$/, "").replaceAll("_", " ").split("/");
  const name = kind === "evaluate" ? rest.join(" ") : [kind, ...rest].join(" ");
  div.firstElementChild.textContent = `${model}: ${name}`;
}
</script>
</body>
</html>
"""


def page() -> str:
    """Return the page, with the places that DVC fills."""
    # An end of a script within a string of the script would end it.
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return PAGE.replace("VEGA", vega.replace("</script", "<\\/script"))


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), page())
