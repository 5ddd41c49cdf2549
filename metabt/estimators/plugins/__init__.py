"""Plugins: estimators of other packages behind metabt's two interfaces; none is imported before it is named.

`skfolio` lets in every optimizer and selector of skfolio by its class name.
"""
