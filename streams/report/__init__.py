"""The report of an experiment: what the judge's newest looks say, for a person, a program or a wall."""
