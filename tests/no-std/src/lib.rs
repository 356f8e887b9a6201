//! kraite-core where there is no std; see the manifest.
#![no_std]

pub use kraite_core::{Engine, commit};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
