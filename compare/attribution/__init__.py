"""Which training images a sample is made of."""
