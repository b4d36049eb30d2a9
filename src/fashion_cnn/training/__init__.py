"""From params and images to trained weights."""
