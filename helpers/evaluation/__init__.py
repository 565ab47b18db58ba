"""From answers to numbers: records, intervals and paired tests, sizes of perturbations."""
