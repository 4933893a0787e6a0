"""One file a verb: joins the layers below into what a user asks for.

``check`` judges a model on data; ``config`` reads ``assay.yaml``. Only the doors in ``assay.app`` and users import it.
"""
