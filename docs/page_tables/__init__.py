"""The tables of numbers on the pages, each made from the datasets in docs/results."""
