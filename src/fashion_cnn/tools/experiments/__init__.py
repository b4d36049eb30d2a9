"""DVC's experiments: run, searched and compared."""
