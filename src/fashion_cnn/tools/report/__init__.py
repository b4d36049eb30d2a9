"""Two revisions of the project as one page."""
