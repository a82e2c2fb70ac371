#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rstmon::fuzzing::run("time", bytes));
