/* handlers.h - the handlers that routes.c names, by the noun of their route. */
#ifndef GATECAST_SERVER_HANDLERS_H
#define GATECAST_SERVER_HANDLERS_H

#include "server/request.h"
#include "storage/store.h"

#define HANDLER(name) enum err name(struct request *r, struct store *s, struct error *e)

/* routes_health.c */
HANDLER(get_index);
HANDLER(get_livez);
HANDLER(get_readyz);
HANDLER(get_metrics);
HANDLER(get_openapi);
HANDLER(get_v2_server);
HANDLER(get_v2_live);
HANDLER(get_v2_ready);

/* routes_dataset.c */
enum err upload_open(struct request *r, struct error *e);
enum err upload_push(struct request *r, const char *bytes, size_t len, struct error *e);
void upload_free(struct request *r);
HANDLER(put_dataset);
HANDLER(list_datasets);
HANDLER(get_dataset);
HANDLER(get_dataset_rows);
HANDLER(delete_dataset);

/* routes_job.c */
HANDLER(post_job);
HANDLER(list_jobs);
HANDLER(get_job);
HANDLER(get_job_events);
HANDLER(get_job_checkpoints);
HANDLER(cancel_job);
HANDLER(pause_job);
HANDLER(resume_job);

/* routes_model.c */
HANDLER(list_models);
HANDLER(get_model);
HANDLER(get_version);
HANDLER(get_predict_metadata);
HANDLER(get_v2_model);
HANDLER(get_v2_model_ready);
HANDLER(delete_model);
HANDLER(delete_version);
HANDLER(put_label);

/* routes_weights.c */
enum err weights_open(struct request *r, struct error *e);
enum err weights_push(struct request *r, const char *bytes, size_t len, struct error *e);
void weights_free(struct request *r);
HANDLER(put_model);
HANDLER(get_export);

/* routes_predict.c */
HANDLER(post_forecast);
HANDLER(post_predict);
HANDLER(post_predict_version);
HANDLER(post_predict_label);
HANDLER(post_infer);
HANDLER(post_infer_version);

/* routes_session.c */
HANDLER(post_session);
HANDLER(get_session);
HANDLER(delete_session);
HANDLER(post_step);

/* routes_text.c */
HANDLER(post_generate);
HANDLER(post_classify);
HANDLER(post_translate);

/* routes_anomaly.c */
HANDLER(post_anomalies);

#endif
