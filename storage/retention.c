/* retention.c - see retention.h. Both rules look at the state of things, not at what just happened, so it does not
 * matter which road led there and nothing is forgotten after a crash. */
#include "storage/retention.h"

enum err retention_apply(struct store *s, struct error *e)
{
	enum err rc = db_run(s,
		"DELETE FROM dataset"
		" WHERE version < (SELECT max(n.version) FROM dataset n WHERE n.name = dataset.name)"
		" AND NOT EXISTS (SELECT 1 FROM job WHERE dataset_id = dataset.id"
		"                 AND status IN ('queued', 'running', 'paused'))", DB_NONE, NULL, e);
	if (rc)
		return rc;
	return db_run(s,
		"UPDATE job_checkpoint SET state = NULL WHERE state IS NOT NULL"
		" AND job_id IN (SELECT id FROM job WHERE status IN ('succeeded', 'failed', 'cancelled')"
		"                AND id IN (SELECT job_id FROM job_checkpoint WHERE state IS NOT NULL))",
		DB_NONE, NULL, e);
}
