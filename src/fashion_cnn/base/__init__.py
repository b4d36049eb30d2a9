"""What every stage starts from: errors, files, paths, settings, the list of the models."""
