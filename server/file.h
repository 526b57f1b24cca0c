/* file.h - files that the commands write. */
#ifndef GATECAST_SERVER_FILE_H
#define GATECAST_SERVER_FILE_H

#include "model/base/error.h"
#include "model/base/strbuf.h"

/** All of b, in place of what the file held; one that could not be written whole is not left behind. */
enum err file_write(const char *path, const struct strbuf *b, struct error *e);

#endif
