"""Annotators as leads see them: how each uses the scale, who agrees with whom, and who is left out of training."""
