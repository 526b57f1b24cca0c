/* decimal.h - digits times a power of ten to binary floating point and back: the arithmetic under number.h.
 *
 *     read     D. Lemire, Number Parsing at a Gigabyte per Second, 2021 (the Eisel-Lemire algorithm): one 64 x 128 bit
 *              product decides nearly all numbers, and says so when it does not
 *     write    R. Giulietti, The Schubfach way to render doubles, 2020: the shortest digits in the rounding interval,
 *              of those the nearest */
#ifndef GATECAST_API_DECIMAL_H
#define GATECAST_API_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* The highest 128 bits of 5^q, rounded down; exact for 0 <= q <= 55. Made by powers.py. */
struct decimal_power { uint64_t high, low; };
#define DECIMAL_FIRST (-342)
#define DECIMAL_LAST  324
extern const struct decimal_power decimal_powers[DECIMAL_LAST - DECIMAL_FIRST + 1];

/** The double nearest to digits * 10^exponent, ties to even; infinite beyond the largest. False: undecided. */
bool decimal_to_double(uint64_t digits, int64_t exponent, double *out);

struct decimal { uint64_t digits; int exponent; };   /* digits * 10^exponent; digits may end in zeros */

/** The shortest decimal that reads back as v; v > 0 and finite. */
struct decimal decimal_of_double(double v);
/** The same of a float. Read as a double and then cut to a float it may miss v by the double rounding. */
struct decimal decimal_of_float(float v);

#endif
