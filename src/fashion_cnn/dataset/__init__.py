"""The images: their file format, the split, shuffled batches, the transform."""
