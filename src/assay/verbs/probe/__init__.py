"""Put new questions to a model: to its inputs (``fairness``), to its records (``association``), to a system from outside (``experiment``).

One module a verb; the facade and the commands import them.
"""
