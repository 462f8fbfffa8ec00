"""What drives the pipeline: the replay of files, and what a stopped pipeline is restored from."""
