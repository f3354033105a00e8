# ruff: noqa: A005 - mirrors thingplane.http
