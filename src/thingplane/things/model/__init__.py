"""The thing model as data: types, both JSON forms, rules and compiled validators. Pure functions, no I/O.

A product describes its devices by properties, events and services. Two texts describe the same model: ThingModelJson
(what the cloud API edits) and TSL (what applications and devices read). Both are parsed into the structs of `types`,
checked by `rules`, and compiled by `validator` into the checks every device message passes.
"""
