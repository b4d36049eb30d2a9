"""Where the time of a pipeline run goes."""
