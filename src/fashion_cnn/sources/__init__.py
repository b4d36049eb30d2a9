"""Where the images come from: the dataset's sources, or a user's own files."""
