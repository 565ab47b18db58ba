"""From parameters to models, images and accuracies, each made once.

A notebook asks an :class:`~helpers.experiment.experiment.Experiment` for models and attacked images by
name (subjects); what they consist of are pieces, whose identities follow from what they depend on; making
knows how each is made, and the store keeps it. Scores turn answers into records.
"""
