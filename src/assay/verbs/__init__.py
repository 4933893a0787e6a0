"""A file or a folder a verb: joins the layers below into what a user asks for.

``check``, ``profile``, ``probe`` and ``demo`` are verbs of one file; ``gate``, ``monitor``, ``explain`` and ``behaviour`` have a
folder each; ``interop`` speaks to other libraries. What they share is beside them: ``config`` reads ``assay.yaml``, ``subject`` opens
what a verb speaks of, ``measure`` measures it. Only the doors in ``assay.app`` and users import them.
"""
