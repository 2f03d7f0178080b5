"""Running code that nobody vouches for: a child that reads what it is given, writes one folder, and no more."""
