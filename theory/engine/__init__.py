"""The posterior-mean engine under every machine: arrays in, arrays out."""
