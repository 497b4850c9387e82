# SPDX-License-Identifier: Apache-2.0
"""Holds a value to a JSON Schema, as far as docs/*.schema.json use the language; a word that is not
known here fails, so that none is passed over."""
import re

TYPES = {"object": dict, "array": list, "string": str, "null": type(None), "boolean": bool,
         "number": (int, float)}
KNOWN = {"$schema", "$defs", "$ref", "title", "description", "type", "required", "properties",
         "additionalProperties", "items", "const", "enum", "pattern", "minimum"}


def _is(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def faults(value, schema, root=None, where="$"):
    """What does not fit, as texts."""
    root = root or schema
    assert set(schema) <= KNOWN, f"unknown words {set(schema) - KNOWN}"
    if "$ref" in schema:
        return faults(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, where)
    types = schema.get("type", [])
    if types and not any(_is(value, t) for t in ([types] if isinstance(types, str) else types)):
        return [f"{where}: {value!r} is no {types}"]
    out = []
    if "const" in schema and value != schema["const"]:
        out.append(f"{where}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        out.append(f"{where}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        out.append(f"{where}: {value!r} does not match")
    if isinstance(value, int) and value < schema.get("minimum", value):
        out.append(f"{where}: {value} is too small")
    if isinstance(value, list):
        for n, item in enumerate(value):
            out += faults(item, schema.get("items", {}), root, f"{where}[{n}]")
    if isinstance(value, dict):
        out += [f"{where}: {k} is missing" for k in schema.get("required", []) if k not in value]
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            out += [f"{where}: {key} is not known"] if inner is False else faults(
                item, inner, root, f"{where}.{key}")
    return out
