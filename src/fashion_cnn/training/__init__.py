"""From parameters and images to trained weights."""
