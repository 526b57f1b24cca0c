#!/usr/bin/env python3
"""powers.py OUT.c - the powers of ten that decimal.h declares: each as the highest 128 bits of 5^q, rounded down.

10^q = 5^q 2^q, and the power of two is an exponent's business. Whole numbers of any size are Python's own, so every
bit is right without an argument about rounding."""
import sys

FIRST, LAST = -342, 324
BITS = 128


def highest_bits(q):
    """floor(5^q / 2^e) for the e that makes it a number of 128 bits."""
    if q >= 0:
        power = 5 ** q
        shift = BITS - power.bit_length()
        return power << shift if shift >= 0 else power >> -shift
    power = 5 ** -q
    shift = BITS + power.bit_length() - 1
    return (1 << shift) // power


with open(sys.argv[1], "w", encoding="ascii") as out:
    out.write('#include "api/decimal.h"\n\nconst struct decimal_power decimal_powers[] = {\n')
    for q in range(FIRST, LAST + 1):
        bits = highest_bits(q)
        assert bits.bit_length() == BITS
        out.write(f"\t{{ {bits >> 64:#018x}, {bits & (2 ** 64 - 1):#018x} }},\n")
    out.write("};\n")
