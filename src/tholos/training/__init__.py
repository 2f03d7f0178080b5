"""Algorithm catalogue, trainers, search."""
