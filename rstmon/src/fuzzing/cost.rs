//! A limit of the time that an input takes, for targets whose cost must be linear in the size.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// What an input of any size may take. Of the limits, an unoptimised build uses less than a tenth.
const BASE: Duration = Duration::from_millis(100);
const PER_BYTE: Duration = Duration::from_micros(10);

/// The size to which an input is repeated. At this size quadratic cost is far above the limit, at the size of most
/// inputs it is not.
const REPEATED_BYTES: usize = 64 << 10;
/// One in that many inputs is repeated, chosen by its content: repeating costs time.
const REPEATED_SHARE: u32 = 16;

/// Panics if `parse` takes more than the limit for the input or, for some inputs, for many of them one after the other.
pub(crate) fn assert_linear(bytes: &[u8], parse: impl Fn(&[u8])) {
    within(bytes, &parse);
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    if !bytes.is_empty() && sum.is_multiple_of(REPEATED_SHARE) {
        within(&bytes.repeat(REPEATED_BYTES.div_ceil(bytes.len())), &parse);
    }
}

fn within(bytes: &[u8], parse: &impl Fn(&[u8])) {
    let begin = cpu_time();
    parse(bytes);
    let took = cpu_time().saturating_sub(begin);
    let limit = BASE + PER_BYTE * u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    assert!(took <= limit, "{} bytes take {took:?}, more than {limit:?}", bytes.len());
}

/// Of this thread: other processes do not count.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::assert_linear;
    use std::hint::black_box;

    #[test]
    fn linear_cost_passes() {
        assert_linear(&b"ab".repeat(1000), |bytes| {
            black_box(bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>());
        });
    }

    #[test]
    #[should_panic(expected = "more than")]
    fn quadratic_cost_of_a_small_input_is_found() {
        // The sum of the bytes is a multiple of 16.
        assert_linear(&[16], |bytes| {
            // One pass for each 25 bytes: enough, and the test is soon over.
            for _ in bytes.chunks(25) {
                black_box(black_box(bytes).iter().map(|byte| u32::from(*byte)).sum::<u32>());
            }
        });
    }
}
