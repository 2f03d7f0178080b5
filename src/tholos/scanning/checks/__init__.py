"""One module for each kind of thing that is looked for. All of them read; none of them loads or runs what it reads."""
