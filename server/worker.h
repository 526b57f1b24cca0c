/* worker.h - the training process: `gatecast worker`, a child of the supervisor, at idle priority.
 *
 * It reads START from its socket, trains, reports, and ends. It opens no database and no network. When its parent is
 * gone it ends too. Training itself is model/trainer.h; here are its threads, its clock and its priority. */
#ifndef GATECAST_SERVER_WORKER_H
#define GATECAST_SERVER_WORKER_H

/** The whole life of the process on the socket fd; returns its exit code. */
int worker_main(int fd);

#define WORKER_FD 3   /* where the parent puts the socket */

#endif
