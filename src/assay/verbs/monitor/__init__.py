"""Watch a model in production, window by window.

``monitor.run``, ``replay``, ``labels`` and ``status`` are the verbs; ``stream`` is the working part. The facade and the commands import it.
"""
