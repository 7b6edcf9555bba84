"""What the torch engine is made of, theory/torch_backend.py: tables of pixel places, matrix products, softmax sums."""
