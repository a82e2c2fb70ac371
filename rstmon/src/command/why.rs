//! placeholder
use super::{Failure, cli::WhyArguments};
/// x
pub fn run(_: &WhyArguments) -> Result<(), Failure> {
    Ok(())
}
