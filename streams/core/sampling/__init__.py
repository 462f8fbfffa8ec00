"""
Sampling: which raw events are kept, and the probability with which each was.

Every prediction has one number in [0, 1), from the hash of its request's id (`uniform`). A policy gives it a
probability p, and would keep it if that number is below p. `plan` has the policies of a model and decides;
`slice_rates` learns the rates that aim at a count; `joint` says what probability comes of several decisions;
`bottom_k`, `reservoir` and `landing` keep to a number of rows or bytes, whatever the traffic.
"""
