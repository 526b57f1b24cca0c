/* corpus_reader.c - see corpus_reader.h. */
#include "model/corpus_reader.h"

#include <stdlib.h>

#include "model/text_work.h"

#define ROOM       64         /* tokens a call */
#define SCORES_MAX (1 << 20)  /* numbers that one call may give */

enum err corpus_reader_init(struct corpus_reader *r, const struct text_model *m, struct error *e)
{
	int classes = m->net.classes, room = SCORES_MAX / classes;
	*r = (struct corpus_reader){ .model = m, .room = room < 1 ? 1 : room > ROOM ? ROOM : room };
	enum err rc = infer_ws_new(1, &r->infer, e);
	if (!rc)
		rc = infer_ws_reserve(r->infer, m->infer, r->room, e);
	if (rc)
		return rc;
	r->x = calloc((size_t)r->room, sizeof *r->x);
	r->score = calloc((size_t)r->room * (size_t)classes, sizeof *r->score);
	r->hidden = calloc((size_t)r->room * (size_t)net_width(&m->net), sizeof *r->hidden);
	r->state = calloc((size_t)net_state_size(&m->net), sizeof *r->state);
	return r->x && r->score && r->hidden && r->state ? ERR_OK : fail_nomem(e);
}

void corpus_reader_fini(struct corpus_reader *r)
{
	infer_ws_free(r->infer);
	free(r->x);
	free(r->score);
	free(r->hidden);
	free(r->state);
}

void corpus_read(struct corpus_reader *r, const int32_t *token, int n)
{
	text_load(r->x, token - 1, (size_t)n);
	struct infer_sequence seq = {
		.x = r->x, .T = n, .y = r->score, .hidden = r->hidden, .start = r->begun ? r->state : NULL, .final = r->state,
	};
	infer_run(r->model->infer, r->infer, &seq, 1);
	r->begun = true;
}
