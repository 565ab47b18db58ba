"""From a profile to one HTML page: execute the chapters, stitch them, check the result.

``python -m helpers.report --help`` is the command line; `build_report.sh` sets up and calls it.
"""
