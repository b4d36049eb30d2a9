"""Which labels of Fashion-MNIST are wrong, and which images are there twice."""
