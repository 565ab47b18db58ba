"""Speed and quality of the attacks beside their peers; run on demand by benchmarks/run.sh."""
