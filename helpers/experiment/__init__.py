"""From parameters to models, images and accuracies, each made once.

A notebook asks an :class:`~helpers.experiment.experiment.Experiment` for models and attacked images
by name (subjects). They consist of pieces, whose identities follow from all that they depend on; making
knows how each is made, and the store keeps it. Scores turn answers into records.
"""
