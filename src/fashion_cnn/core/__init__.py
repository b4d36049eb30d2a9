"""What every stage with a network starts from: its device, and the arithmetic of shapes."""
