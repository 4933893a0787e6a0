"""Why a model says what it says: one module a question of ``assay explain``, and the cause of a block or a page.

``explain.explain`` is the verb; ``explanation`` is what the questions share. The facade, the command,
and the verbs of gate and monitor import it.
"""
