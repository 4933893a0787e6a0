"""The makers run in environments of their own, with libraries that are not here: they are no tests."""

collect_ignore_glob = ["makers/*"]
