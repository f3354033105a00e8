"""Configurations of rule actions: what each type documents, checked and typed; the variables inside of them."""
