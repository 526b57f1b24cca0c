/* faults.h - the allocator, replaced: allocation number fail_at (0 …) fails, which a loop moves through all of them. */
#ifndef GATECAST_TESTS_TEXT_FAULTS_H
#define GATECAST_TESTS_TEXT_FAULTS_H

extern long allocations, fail_at;   /* how many there were; -1: none fails */

#endif
