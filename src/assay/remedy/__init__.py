"""What can be done about an unfair or a weak model: weights, repaired features, thresholds by group, retraining.

Layer 5: sees data, models, metrics and probes. A remedy wraps a model or fits it anew; whether it helped is measured by the verbs.
"""
