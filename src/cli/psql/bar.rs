//! A line on a terminal that shows how far a long statement is, and is gone when that ends.
//!
//! Written by hand: one line of text that replaces itself is a dozen lines of code, and less than what a crate for it would bring along.

use std::io::Write;
use std::sync::Arc;

use crate::clock::Clock;
use crate::engine::progress::{grouped, share_told, span};

/// Characters of the bar itself.
const WIDTH: usize = 30;
/// Least time between two pictures of a transfer, in microseconds.
const PAUSE_US: i64 = 200_000;
/// A transfer is shown when it has taken so long, in microseconds.
const PATIENCE_US: i64 = 1_000_000;
/// To the beginning of the line, which is erased.
const ERASE: &str = "\r\x1b[K";

/// The line.
pub(in crate::cli) struct Bar {
    out: Box<dyn Write + Send>,
    clock: Arc<dyn Clock>,
    shown: bool,
}

/// A file on its way to the server.
pub(in crate::cli) struct Transfer {
    begun_us: i64,
    shown_us: i64,
    total: u64,
    pub done: u64,
}

impl Bar {
    /// A bar on a terminal.
    pub fn new(out: Box<dyn Write + Send>, clock: Arc<dyn Clock>) -> Bar {
        Bar { out, clock, shown: false }
    }

    /// Shows a NOTICE that tells of a progress; false if it tells of something else.
    pub fn notice(&mut self, text: &str) -> bool {
        let Some(share) = share_told(text) else { return false };
        self.show(share, text);
        true
    }

    /// A file of so many bytes begins.
    pub fn begin(&self, total: u64) -> Transfer {
        let now_us = self.clock.now_us();
        Transfer { begun_us: now_us, shown_us: now_us + PATIENCE_US - PAUSE_US, total, done: 0 }
    }

    /// So many bytes of it more are sent.
    pub fn sent(&mut self, transfer: &mut Transfer, bytes: usize) {
        transfer.done += bytes as u64;
        let now_us = self.clock.now_us();
        if now_us < transfer.shown_us + PAUSE_US {
            return;
        }
        transfer.shown_us = now_us;
        let per_second = transfer.done as f64 / ((now_us - transfer.begun_us).max(1) as f64 / 1e6);
        let left = (transfer.total.saturating_sub(transfer.done) as f64 / per_second.max(1.0)).ceil() as u64;
        let share = (transfer.total > 0).then(|| transfer.done as f64 / transfer.total as f64);
        let kib = |bytes: u64| grouped(bytes >> 10);
        let text = format!("{} of {} kB, {} kB/s, {} left", kib(transfer.done), kib(transfer.total), kib(per_second as u64), span(left));
        self.show(share, &text);
    }

    fn show(&mut self, share: Option<f64>, text: &str) {
        let bar = share.map(|share| {
            let full = ((share * WIDTH as f64) as usize).min(WIDTH);
            format!("[{}{}] ", "#".repeat(full), ".".repeat(WIDTH - full))
        });
        // A terminal that cannot be written to is no reason to stop the script.
        let _ = write!(self.out, "{ERASE}{}{text}", bar.unwrap_or_default());
        let _ = self.out.flush();
        self.shown = true;
    }

    /// Takes the line away.
    pub fn erase(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(self.out, "{ERASE}");
            let _ = self.out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::clock::ManualClock;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_is_drawn_over_itself_and_erased() {
        let (screen, clock) = (Screen::default(), Arc::new(ManualClock::default()));
        let mut bar = Bar::new(Box::new(screen.clone()), clock.clone());
        let taken = || String::from_utf8(std::mem::take(&mut *screen.0.lock())).unwrap();
        bar.erase();
        assert!(!bar.notice("relation \"v\" already exists, skipping"));
        assert_eq!(taken(), "");
        assert!(bar.notice("backfill of \"v\": 1 of 2 rows (50 %)"));
        assert_eq!(taken(), format!("{ERASE}[{}{}] backfill of \"v\": 1 of 2 rows (50 %)", "#".repeat(15), ".".repeat(15)));
        bar.erase();
        bar.erase();
        assert_eq!(taken(), ERASE);
        let mut transfer = bar.begin(4 << 20);
        bar.sent(&mut transfer, 1 << 20);
        assert_eq!(taken(), "", "what is quick is not shown");
        clock.set_us(2_000_000);
        bar.sent(&mut transfer, 1 << 20);
        assert!(taken().ends_with("] 2,048 of 4,096 kB, 1,024 kB/s, 2 s left"));
        bar.sent(&mut transfer, 1 << 20);
        assert_eq!(taken(), "", "nor more often than can be read");
    }
}
