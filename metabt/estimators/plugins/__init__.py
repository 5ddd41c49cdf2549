"""Estimators of other packages behind metabt's two interfaces; none is imported before it is named."""
