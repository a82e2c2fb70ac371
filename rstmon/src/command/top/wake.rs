//! Wakes the view, which waits for keys, updates and finished frames at once: a descriptor that is readable after each
//! [`wake`](ViewWaker::wake).

use rustix::{
    event::{EventfdFlags, eventfd},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::{read, write},
};
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

#[derive(Debug)]
pub(crate) struct ViewWaker {
    eventfd: OwnedFd,
    /// Whether the descriptor has been made readable since the last [`ViewWaker::reset`]: many updates cost one call.
    woken: AtomicBool,
}

impl ViewWaker {
    pub(crate) fn new() -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { eventfd, woken: AtomicBool::new(false) })
    }

    /// To be called after the data that the view is to find.
    pub(crate) fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            // Fails only if the counter is at its limit, and then the descriptor is readable.
            let _ = write(&self.eventfd, &1_u64.to_ne_bytes());
        }
    }

    /// To be called before the data is taken.
    pub(crate) fn reset(&self) {
        // Fails if the descriptor is not readable.
        let _ = read(&self.eventfd, &mut [0; 8]);
        self.woken.store(false, Ordering::SeqCst);
    }
}

impl AsFd for ViewWaker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::ViewWaker;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_readable(waker: &ViewWaker) -> bool {
        let mut polled = [PollFd::new(waker, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).expect("poll") == 1
    }

    #[test]
    fn it_is_readable_from_a_wake_to_the_reset() {
        let waker = ViewWaker::new().expect("an eventfd");
        assert!(!is_readable(&waker));
        waker.wake();
        waker.wake();
        assert!(is_readable(&waker));
        waker.reset();
        assert!(!is_readable(&waker));
        waker.wake();
        assert!(is_readable(&waker), "woken again after a reset");
    }
}
