"""The metrics: from exact sums of weighted variables to estimates with intervals, many windows at once."""
