/* series_file.h - a file on disk as a frame: CSV, tab-separated values or text, by the suffix of its name. */
#ifndef GATECAST_SERVER_SERIES_FILE_H
#define GATECAST_SERVER_SERIES_FILE_H

#include "model/series/frame.h"
#include "storage/digest.h"

struct series_file {
	struct frame *frame;
	char sha256[DIGEST_HEX];
};

/** "-" is standard input, and CSV. Errors name the file and the place in it. */
enum err series_file_read(const char *path, struct series_file *out, struct error *e);
void series_file_fini(struct series_file *f);

#endif
