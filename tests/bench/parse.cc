/* parse.cc - 240 numbers of a JSON array to doubles: our scanner beside simdjson, jansson and strtod, taking turns.
 *
 *     taskset -c 1 parse [--json]
 *
 * One row for numbers of six decimals, one for all 17 digits. Every reader's numbers are compared before it is timed. */
#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include <jansson.h>

extern "C" {
#include "api/scan.h"
}

namespace {

constexpr size_t NUMBERS = 240;
constexpr int SAMPLES = 25, REPEATS = 400;

using Numbers = std::vector<double>;

struct Reader {
	const char *name;
	std::function<void(Numbers &)> read;
	std::vector<double> us;
};

std::string body(const char *format)
{
	std::string text = "[";
	uint64_t x = 88172645463325252u;
	for (size_t i = 0; i < NUMBERS; i++) {
		char number[32];
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		snprintf(number, sizeof number, format, 100 + static_cast<double>(x >> 11) / 9007199254740992.0 * 100);
		text += (i ? ", " : "") + std::string(number);
	}
	return text + "]";
}

void read_ours(const std::string &text, Numbers &out)
{
	struct scan s;
	size_t n;
	scan_init(&s, text.data(), text.size(), nullptr, nullptr);
	scan_numbers(&s, out.data(), NUMBERS, &n);
}

void read_simdjson(simdjson::ondemand::parser &parser, const simdjson::padded_string &text, Numbers &out)
{
	simdjson::ondemand::document document = parser.iterate(text);
	size_t n = 0;
	for (auto value : document.get_array())
		out[n++] = value.get_double();
}

void read_jansson(const std::string &text, Numbers &out)
{
	json_t *array = json_loadb(text.data(), text.size(), 0, nullptr), *value;
	size_t i;
	json_array_foreach(array, i, value)
		out[i] = json_real_value(value);
	json_decref(array);
}

void read_strtod(const std::string &text, Numbers &out)
{
	const char *at = text.c_str() + 1;
	for (double &v : out) {
		char *end;
		v = strtod(at, &end);
		at = end + 2;
	}
}

double microseconds(const std::function<void(Numbers &)> &read, Numbers &out)
{
	const std::clock_t start = std::clock();   /* CPU time: others on the machine do not count */
	for (int i = 0; i < REPEATS; i++)
		read(out);
	return 1e6 / CLOCKS_PER_SEC * static_cast<double>(std::clock() - start) / REPEATS;
}

double middle(std::vector<double> &v)
{
	std::sort(v.begin(), v.end());
	return v[v.size() / 2];
}

void race(const char *what, const char *format, bool json)
{
	const std::string text = body(format);
	const simdjson::padded_string padded(text);
	simdjson::ondemand::parser parser;
	Numbers want(NUMBERS), out(NUMBERS);
	std::vector<Reader> readers = {
		{ "gatecast", [&](Numbers &n) { read_ours(text, n); }, {} },
		{ "simdjson", [&](Numbers &n) { read_simdjson(parser, padded, n); }, {} },
		{ "jansson", [&](Numbers &n) { read_jansson(text, n); }, {} },
		{ "strtod", [&](Numbers &n) { read_strtod(text, n); }, {} },
	};

	read_strtod(text, want);
	for (Reader &r : readers) {
		r.read(out);
		if (memcmp(out.data(), want.data(), NUMBERS * sizeof(double)) != 0) {
			fprintf(stderr, "%s reads other numbers than strtod\n", r.name);
			exit(1);
		}
	}
	for (int i = 0; i < SAMPLES; i++)
		for (Reader &r : readers)
			r.us.push_back(microseconds(r.read, out));
	double ours = middle(readers[0].us);
	for (Reader &r : readers) {
		double us = middle(r.us);
		printf(json ? "{\"row\": \"parse, %s\", \"peer\": \"%s\", \"us\": %.3f, \"min\": %.3f, \"max\": %.3f, \"ratio\": %.3f}\n"
		            : "%-12s %-10s %7.2f us  (%.2f to %.2f)  gatecast takes %.2f of it\n",
		       what, r.name, us, r.us.front(), r.us.back(), ours / us);
	}
}

}

int main(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json");
	race("6 decimals", "%.6f", json);
	race("17 digits", "%.17g", json);
}
