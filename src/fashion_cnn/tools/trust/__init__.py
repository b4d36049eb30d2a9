"""Whether a run can be trusted: check-lock, the gate, verify, and the drift of new data."""
