"""The pure core: frames and numbers in, frames and numbers out. No engine, no clock, no environment."""
