//! The hooks: one list, from which the user half derives its table of hooks. The kernel half has a program of each
//! name; a test of the user half compares the list with the object.
//!
//! Each line: the hook's constant, its program, how the program is attached, what it is for, whether rstmon is of use
//! without it, and what stays hidden without it. A program has the name of the tracepoint or function that it attaches
//! to; the iterators have names of their own.
//!
//! The order is the order of attaching: the hooks that learn owners come before those that count resets, and sent
//! resets before received ones, because some received resets are proved false by a sent one only.

/// Hands the list to the macro named `$apply`.
#[macro_export]
macro_rules! hooks {
    ($apply:ident) => {
        $apply! {
            /// Tracepoint of every change of a TCP socket's state.
            SET_STATE: inet_sock_set_state, Tracepoint, Owner, optional,
                hides "owners of connections, states before a close, tombstones";
            /// Kernel function that accepts connections; needs a trampoline.
            ACCEPT: inet_accept, FunctionExit, Owner, optional,
                hides "the accepting worker until it reads from the connection";
            /// Tracepoint of reading from a socket: replaces [`ACCEPT`] where that is not attached.
            READ: tcp_rcv_space_adjust, Tracepoint, Owner, optional,
                hides "the worker that serves an accepted connection: the name of its listener's owner is shown";
            /// Tracepoint of writing to a socket, attached at the operator's wish.
            WRITE: sock_send_length, Tracepoint, Owner, optional,
                hides "the process that a connection was passed on to, if it only writes";
            /// Tracepoint of a thread that exits.
            EXIT: sched_process_exit, Tracepoint, Owner, optional,
                hides "that a process has exited: it is named as long as a socket lives that it had passed on";
            /// Tracepoint of a process that forks.
            FORK: sched_process_fork, Tracepoint, Owner, optional,
                hides "that a process has forked: it is named also where only its child still holds the socket";
            /// Iterator over open files, run once at the start.
            BACKFILL: backfill, FileIterator, Backfill, optional,
                hides "owners of sockets opened before rstmon started";
            /// Iterator over tasks: lists which network namespace each task is in.
            NAMESPACES: namespaces, TaskIterator, Check, optional,
                hides "whether the kernel's own counts of other network namespaces agree";
            /// Kernel function that answers an IPv4 segment with a reset; needs a trampoline. It sees the resets that
            /// [`SEND`] does not report before 6.10.
            ANSWER_V4: tcp_v4_send_reset, FunctionEntry, Count, optional,
                hides "resets sent over IPv4 for closed ports, scans, unknown connections and late segments (races, stale \
                       connections, echoes)";
            /// The same for IPv6.
            ANSWER_V6: tcp_v6_send_reset, FunctionEntry, Count, optional,
                hides "resets sent over IPv6 for closed ports, scans, unknown connections and late segments (races, stale \
                       connections, echoes)";
            /// Tracepoint of a reset that is sent.
            SEND: tcp_send_reset, Tracepoint, Count, required, hides "sent resets";
            /// Tracepoint of a reset that is received.
            RECEIVE: tcp_receive_reset, Tracepoint, Count, required, hides "received resets";
        }
    };
}

/// The one program that is no hook: user space runs it on a CPU (`BPF_PROG_TEST_RUN`) to settle the received resets
/// that wait undecided there.
pub const SETTLE: &str = "settle";
