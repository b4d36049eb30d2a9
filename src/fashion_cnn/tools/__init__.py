"""What no stage imports: the command line, and all that reads or drives the pipeline."""
