"""
The demo: two versions of a model that predicts late arrivals, judged on every flight out of New York City in 2013.

`flights` reads the flights, `models` predicts each of them as its departure comes, `events` writes what the two
versions said and what happened as Avro files, `run` replays those, and `report` prints what the store then says.
"""
