"""How large a thing model may be (guide, section "Limits", newest figures)."""

from msgspec import Struct


class ModelLimits(Struct, frozen=True):
    """Upper bounds, all inclusive."""

    features: int = 300
    """properties, events and services of one module together"""
    modules: int = 200
    """custom modules of one product"""
    struct_members: int = 50
    enum_items: int = 100
    text_bytes: int = 10240
    array_size: int = 512
    service_inputs: int = 100
    service_outputs: int = 100
    event_outputs: int = 100
    identifier_characters: int = 50
    name_characters: int = 30
    item_name_characters: int = 20
    description_characters: int = 100
    extend_config_bytes: int = 16 * 1024
    """UTF-8 length of the extended configuration of one feature; the guide states none"""
    document_bytes: int = 256 * 1024
    """UTF-8 length of the TSL text of one module"""


DEFAULT_LIMITS = ModelLimits()
