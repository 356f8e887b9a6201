//! [`kraite_fuzz::bitget_body`] behind libFuzzer, or over the files that it is given.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kraite_fuzz::bitget_body(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    kraite_fuzz::replay(kraite_fuzz::bitget_body)
}
