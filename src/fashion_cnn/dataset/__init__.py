"""The images on one device: read, split, shuffled, transformed a batch at a time."""
