"""From records to verdicts on the report's claims.

Evidence finds what was measured; comparisons turn it into differences with intervals, and verdicts
judge these. The claims themselves are data (``data/claims.yaml``), and so are the numbers that the
report prints (``data/reported.yaml``).
"""
