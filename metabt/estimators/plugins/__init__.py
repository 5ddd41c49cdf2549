"""Plugins: estimators of other packages behind metabt's two interfaces; none is imported before it is named.

`skfolio` lets in every optimizer and selector of skfolio by its class name; `plugin_source` has the digest of the
files that a plug-in is made of.
"""
