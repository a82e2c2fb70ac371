#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rstmon_fuzz::web_config::run(bytes));
