#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatelog_parsers_fuzz::distinguished_name::run(input));
