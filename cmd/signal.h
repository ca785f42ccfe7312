/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal - stopping on request.
 *
 * The first INT, TERM or HUP raises a flag that the library polls; work in
 * flight is finished or dropped, and the signal is raised again at the end so
 * that shells and make stop too. The second ends the process on the spot:
 * nothing depends on clean-up code. --max-duration raises the same flag.
 * A signal that was ignored at start stays ignored (nohup).
 */
#ifndef BC_CMD_SIGNAL_H
#define BC_CMD_SIGNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* signal_setup - SIGPIPE as it was born, SIGUSR1 harmless. Once, early. */
void signal_setup(void);

/* signal_catch_stops - from now on the first stop signal only raises the
 * flag. For commands whose work polls it. */
void signal_catch_stops(void);

/* signal_deadline - raise the flag after that many seconds; 0: never. */
void signal_deadline(int64_t seconds);

/* signal_stop_flag - not zero: stop. Any thread. */
const atomic_int *signal_stop_flag(void);

/* signal_await_input - wait until there is something to read, or the end of it.
 * False: to stop. Any thread. */
bool signal_await_input(int fd);

/* signal_asking - a question is put, and while it is, nothing is said of a
 * stop: it ends that. */
void signal_asking(bool on);

/* signal_await_output - wait until a pipe, a socket or a terminal takes some
 * bytes, PIPE_BUF at least. False: to stop, and for a second nothing was
 * taken. Any thread. */
bool signal_await_output(int fd);

/* signal_number - the stop signal that came, or 0. */
int signal_number(void);

/* signal_time_up - did the deadline, and no signal, raise the flag? */
bool signal_time_up(void);

/* signal_on_usr1 - a file descriptor that SIGUSR1 writes eight bytes to, as
 * to an eventfd; -1: none. */
void signal_on_usr1(int fd);

/* signal_reraise - end by that signal. Returns only if that is impossible. */
void signal_reraise(int number);

#endif
