"""A checker for the part of JSON Schema that bench_tflite.schema.json uses, for its tests."""

import re
from collections.abc import Iterator
from typing import Any

TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "null": lambda v: v is None,
}
KEYWORDS = {
    *("type", "description", "required", "additionalProperties", "properties", "items"),
    *("enum", "const", "minimum", "pattern", "$ref"),
}


def faults(value: Any, schema: dict, root: dict, place: str = "$") -> Iterator[str]:
    """Each place where the value breaks the schema."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    known = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if not any(TYPES[name](value) for name in known):
        yield f"{place}: {value!r} is not of {known}"
    elif isinstance(value, dict):
        properties = schema["properties"]
        yield from (f"{place}: {key} missing" for key in schema["required"] if key not in value)
        yield from (f"{place}: {key} is foreign" for key in value if key not in properties)
        for key in value.keys() & properties.keys():
            yield from faults(value[key], properties[key], root, f"{place}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from faults(item, schema["items"], root, f"{place}[{number}]")
    elif value is not None:
        yield from _scalar_faults(value, schema, place)


def _scalar_faults(value: Any, schema: dict, place: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{place}: {value!r} is not {schema['const']!r}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{place}: {value!r} is below {schema['minimum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place}: {value!r} does not match {schema['pattern']}"


def every_schema(schema: dict) -> Iterator[dict]:
    """The schema and all that are inside it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    for child in [*inner, *([schema["items"]] if "items" in schema else [])]:
        yield from every_schema(child)
