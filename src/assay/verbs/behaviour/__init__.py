"""Behaviour tests: what a model must do on single cases and under changes.

``behaviour.behaviour`` is the verb, ``specification`` reads its files. The facade, the gate and the plugin of pytest import it.
"""
