"""Whether a run can be trusted: its lock, the gate, the run made again, drift of new data."""
