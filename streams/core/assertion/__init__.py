"""
Assertions: rules that the predictions of a model must keep, and who broke them.

After Kang, Raghavan, Bailis & Zaharia (2020), "Model assertions for monitoring and improving ML models". `rules` says
what a rule is and compiles rules; `parse` reads their expressions; `sequences` follows units and requests over time.
"""
