#!/usr/bin/env python3
"""embed.py IN.json OUT.c - openapi.json without its blanks, as the array that openapi.h declares."""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as source:
    text = json.dumps(json.load(source), separators=(",", ":"))  # ASCII: fits a char of either sign

rows = [text[i:i + 24] for i in range(0, len(text), 24)]
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write('#include "api/openapi.h"\n\nconst char openapi_json[] = {\n')
    out.writelines("\t" + " ".join(f"{ord(c)}," for c in row) + "\n" for row in rows)
    out.write("\t0\n};\nconst size_t openapi_json_len = sizeof openapi_json - 1;\n")
